// Two pictures to choose from. What they are called is known to the kernel alone.

const SIDES = ["left", "right"];

function mountVote(model, root, signal, memory) {
  memory.turn ??= -1;
  const state = () => model.get("state");
  const say = (kind, more = {}) => model.send({ kind, turn: state().turn, ...more });
  const choose = (choice) => memory.turn === state().turn && say("choice", { choice });
  const star = (side) => say("star", { side });

  const count = make("span", { role: "status", class: "count" });
  const bar = make("progress", { max: 1, value: 0, "aria-hidden": "true" });
  const words = make("span", { class: "quiet" });
  const problem = make("div", { class: "wrong", role: "alert" });
  const pictures = SIDES.map((side) => make("button", { type: "button", class: "choice", "aria-label": `The ${side} one is better`, onclick: () => choose(side) }));
  const stars = SIDES.map((side) => make("button", { type: "button", class: "star", "aria-label": `Star the ${side} picture`, onclick: () => star(side) }));
  const sides = SIDES.map((side, index) => make("div", { class: "side" }, pictures[index], make("div", { class: "bar" },
    make("span", { class: "quiet" }, side), make("span", { class: "end" }, stars[index]))));
  const pair = make("div", { class: "pair" }, ...sides);
  const tie = make("button", { type: "button", onclick: () => choose("tie") }, "as good as each other");
  const undo = make("button", { type: "button", onclick: () => say("undo") }, "undo");
  const keys = make("span", { class: "quiet keys" });
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Which picture is better?");
  root.tabIndex = 0;
  root.addEventListener("keydown", onKey);
  root.append(make("div", { class: "bar" }, make("strong", {}, "Which is better?"), count, bar, words), pair, problem,
    make("div", { class: "bar" }, tie, undo, keys));

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const act = { ArrowLeft: () => choose("left"), ArrowRight: () => choose("right"), " ": () => choose("tie"), u: () => say("undo"),
      1: () => star("left"), 2: () => star("right") }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  function paint() {
    const now = state();
    count.textContent = `${now.done} of ${now.total} judged`;
    bar.max = Math.max(1, now.total);
    bar.value = now.done;
    words.textContent = now.words;
    problem.textContent = now.problem;
    keys.textContent = now.keys;
    pair.hidden = tie.hidden = !now.asks;
    undo.disabled = now.done === 0;
    root.querySelector("strong").textContent = now.asks ? "Which is better?" : "All pairs are judged.";
    SIDES.forEach((side, index) => {
      const on = now.starred.includes(side);
      stars[index].textContent = on ? "★" : "☆";
      stars[index].setAttribute("aria-pressed", String(on));
    });
    if (now.asks && memory.turn !== now.turn) say("pictures");
    else show();
  }

  function show() {
    if (memory.turn !== state().turn || !memory.addresses) return;
    pictures.forEach((button, index) => button.replaceChildren(make("img", { src: memory.addresses[index], alt: `the ${SIDES[index]} picture`, draggable: "false" })));
  }

  listen(model, "msg:custom", (content, buffers) => {
    if (content.kind !== "pictures" || content.turn !== state().turn) return;
    for (const address of memory.addresses ?? []) URL.revokeObjectURL(address);
    memory.addresses = content.types.map((type, index) => blobAddress(type, buffers[index]));
    memory.turn = content.turn;
    show();
  }, signal);
  listen(model, "change:state", paint, signal);
  paint();
}

export default attached(mountVote);
