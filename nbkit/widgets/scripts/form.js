// A form for an endpoint. What is entered goes to the kernel, which checks it and says what is wrong, and where.

const SETTLE = 200; // milliseconds after the last key
const WORDS = { running: "running …", succeeded: "succeeded", failed: "failed", cancelled: "cancelled", unknown: "unknown" };

function mountForm(model, root, lifetime, memory) {
  const release = new AbortController();
  const { signal } = release;
  lifetime.addEventListener("abort", () => release.abort());
  memory.answers ??= { ...model.get("answers_given") };
  memory.touched ??= new Set();
  const place = model.get("place");
  let timer = 0;

  const form = {
    model,
    memory,
    signal,
    errors: new Map(),
    get: (id) => memory.answers[id],
    set(id, value) {
      memory.answers = { ...memory.answers, [id]: value };
      memory.touched.add(id);
      clearTimeout(timer);
      timer = setTimeout(save, SETTLE);
    },
    idOf: (control) => `${place}-${control.id}`,
    describedBy: (control) => `${place}-${control.id}-about ${place}-${control.id}-wrong`,
    common: (control) => ({ id: form.idOf(control), "aria-describedby": form.describedBy(control), "aria-required": control.required ? "true" : null,
      title: control.description || null }),
  };

  function save() {
    clearTimeout(timer);
    if (JSON.stringify(model.get("answers_given")) !== JSON.stringify(memory.answers)) put(model, "answers_given", memory.answers);
  }

  const run = make("button", { type: "button", class: "run", onclick: send }, "Run");
  const stop = make("button", { type: "button", onclick: () => model.send({ kind: "cancel" }) }, "Cancel");
  const copy = make("button", { type: "button", onclick: copyCell, title: "The %%generate cell that sends the same" }, "Copy as cell");
  const status = make("span", { role: "status", class: "status" });
  const price = make("span", { class: "quiet price" });
  const cell = make("textarea", { class: "wide-field code", readonly: true, rows: 4, "aria-label": "The cell" });
  const cellBox = make("details", { class: "cell", open: memory.cellOpen, ontoggle: () => (memory.cellOpen = cellBox.open) }, make("summary", {}, "as a cell"), cell);
  const other = make("div", { class: "wrong", role: "alert" });
  const controls = model.get("controls");
  const build = (folded) => controls.filter((it) => it.folded === folded).map((it) => row(it, form));
  const advanced = build(true);
  root.setAttribute("role", "form");
  root.setAttribute("aria-label", `Form of ${model.get("endpoint")}`);
  root.append(
    make("div", { class: "bar" }, make("strong", {}, model.get("endpoint")), make("span", { class: "quiet" }, model.get("title")), price),
    ...(model.get("note") ? [make("div", { class: "quiet" }, model.get("note"))] : []),
    make("div", { class: "rows", onkeydown: onKey }, ...build(false),
      ...(advanced.length ? [make("details", { class: "advanced", open: memory.open, ontoggle: (event) => (memory.open = event.target.open) },
        make("summary", {}, `advanced (${advanced.length})`), ...advanced)] : [])),
    other,
    make("div", { class: "bar actions" }, run, stop, copy, status),
    cellBox,
  );

  function onKey(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey || event.shiftKey)) {
      event.preventDefault();
      send();
    }
  }

  function send() {
    if (run.disabled) return;
    memory.tried = true;
    memory.asked = true; // twice clicked is once sent, however long the kernel takes to hear of it
    save();
    paint();
    model.send({ kind: "run" });
  }

  // To the first field that is wrong, also where it is folded away.
  function lead() {
    const wrong = root.querySelector("[aria-invalid=true]");
    const fold = wrong?.closest("details");
    if (fold) fold.open = true;
    wrong?.focus();
  }

  async function copyCell() {
    save();
    cellBox.open = true;
    cell.focus();
    cell.select();
    try {
      await navigator.clipboard.writeText(cell.value);
      status.textContent = "copied";
    } catch {
      status.textContent = "press Ctrl+C to copy";
    }
  }

  function paint() {
    const { certain = {}, doubtful = {} } = model.get("problems");
    let first = null;
    for (const [id, wrong] of form.errors) {
      const isShown = memory.tried || memory.touched.has(id);
      const words = isShown ? (certain[id] ?? doubtful[id] ?? "") : "";
      if (wrong.textContent !== words) wrong.textContent = words;
      wrong.classList.toggle("doubtful", !(id in certain));
      const input = document.getElementById(`${place}-${id}`) ?? root.querySelector(`#${CSS.escape(`${place}-${id}`)}`);
      input?.setAttribute("aria-invalid", String(Boolean(words) && id in certain));
      if (words && id in certain) first ??= wrong;
    }
    const known = new Set(form.errors.keys());
    other.textContent = Object.entries(certain).filter(([id]) => !known.has(id)).map(([, words]) => words).join("\n");
    const isRunning = model.get("status") === "running";
    run.disabled = isRunning || Boolean(memory.asked);
    stop.hidden = !isRunning;
    const state = model.get("status");
    status.textContent = memory.tried && first ? "not sent: look at what is marked" : (WORDS[state] ?? state);
    price.textContent = model.get("price");
    cell.value = model.get("cell");
    cell.rows = Math.min(12, cell.value.split("\n").length + 1);
  }

  listen(model, "msg:custom", (content) => {
    if (content.kind !== "asked") return;
    memory.asked = false;
    paint();
    lead();
  }, signal);
  listen(model, "change:answers_given", () => {
    const given = model.get("answers_given");
    if (JSON.stringify(given) === JSON.stringify(memory.answers)) return;
    memory.answers = { ...given }; // entered by Python
    release.abort();
    root.replaceChildren();
    mountForm(model, root, lifetime, memory);
  }, signal);
  for (const name of ["problems", "price", "cell", "status", "files"]) listen(model, `change:${name}`, paint, signal);
  signal.addEventListener("abort", () => clearTimeout(timer));
  paint();
}

export default attached(mountForm);
