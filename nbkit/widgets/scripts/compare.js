// Two pictures at a time: a slider, side by side, in turns, and what differs.

const MODES = ["slider", "side by side", "flicker", "difference"];
const FLICKER = 600; // milliseconds: slow enough for eyes that flashes hurt
const RAMP = "linear-gradient(90deg,#000004,#57106e,#bc3754,#f98e09,#fcffa4)";
const STEP = 0.02;

const letter = (number) => (number < 26 ? String.fromCharCode(65 + number) : String(number + 1));

function mountComparison(model, root, signal, memory) {
  memory.addresses ??= new Map();
  memory.differences ??= new Map();
  memory.at ??= 0.5;
  memory.playing ??= !matchMedia("(prefers-reduced-motion: reduce)").matches;
  let [timer, front] = [0, 0];
  const view = sharedView(draw);
  const about = (number) => model.get("pictures")[number];

  const radios = MODES.map((mode) => {
    const input = make("input", { type: "radio", name: `mode-${model.get("place")}`, value: mode, onchange: () => put(model, "mode", mode) });
    return make("label", { class: "tick" }, input, mode);
  });
  const choose = (side) => {
    const names = model.get("pictures").map((it, number) => make("option", { value: number }, `${letter(number)} · ${it.caption.slice(0, 60)}`));
    const select = make("select", { "aria-label": side ? "Second picture" : "First picture", style: "max-width:220px" }, ...names);
    select.addEventListener("change", () => {
      const pair = [...model.get("pair")];
      pair[side] = Number(select.value);
      put(model, "pair", pair);
    });
    return select;
  };
  const chosen = [choose(0), choose(1)];
  const zoomed = make("span", { class: "quiet", role: "status" });
  const button = (label, words, onclick) => make("button", { type: "button", "aria-label": words, title: words, onclick }, label);
  const panes = make("div", { class: "panes", tabindex: "0", role: "group", onkeydown: onKey,
    "aria-label": "Pictures. Arrows move the slider, plus and minus zoom, 0 resets, 1 to 4 choose the view." });
  const below = make("div", {});
  const sheet = make("div", { class: "sheet" }, panes, below);
  const sizes = make("div", { class: "quiet sizes" });
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Comparison");
  root.append(
    make(
      "div",
      { class: "bar" },
      make("span", { class: "bar", role: "radiogroup", "aria-label": "View", style: "margin:0" }, ...radios),
      ...(model.get("pictures").length > 2 ? chosen : []),
      make("span", { class: "bar end", style: "margin-bottom:0" }, button("−", "Zoom out", () => view.zoom(1 / 1.5)), zoomed,
        button("+", "Zoom in", () => view.zoom(1.5)), button("fit", "Whole picture", () => view.reset())),
    ),
    sheet,
    sizes,
  );

  function onKey(event) {
    if (event.target !== panes || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      ArrowLeft: () => (view.scale > 1 && event.shiftKey ? view.move(-0.1, 0) : slide(-STEP)),
      ArrowRight: () => (view.scale > 1 && event.shiftKey ? view.move(0.1, 0) : slide(STEP)),
      ArrowUp: () => view.move(0, -0.1),
      ArrowDown: () => view.move(0, 0.1),
      "+": () => view.zoom(1.5),
      "=": () => view.zoom(1.5),
      "-": () => view.zoom(1 / 1.5),
      0: () => view.reset(),
      " ": () => play(!memory.playing),
    };
    const mode = MODES[Number(event.key) - 1];
    if (mode) put(model, "mode", mode);
    else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  }

  function slide(step) {
    if (model.get("mode") === "flicker") return show(1 - front);
    memory.at = Math.min(1, Math.max(0, memory.at + step));
    draw();
  }

  function image(number) {
    const known = memory.addresses.get(number);
    if (!known) model.send({ kind: "picture", number });
    return make("img", { alt: `${letter(number)}: ${about(number).caption}`, src: known, draggable: "false", "data-number": number });
  }

  function name(number, side) {
    return make("span", { class: `name ${side}` }, letter(number));
  }

  function slider(first, second, ratio) {
    const edge = make("div", { class: "edge" });
    const box = pane(view, ratio, make("div", { class: "layer under" }, image(second)), make("div", { class: "layer over" }, image(first)),
      name(first, "left"), name(second, "right"), edge);
    const drag = (event) => {
      const { left, width } = box.getBoundingClientRect();
      memory.at = Math.min(1, Math.max(0, (event.clientX - left) / width));
      draw();
    };
    edge.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      edge.setPointerCapture(event.pointerId);
      edge.addEventListener("pointermove", drag);
    });
    for (const end of ["pointerup", "pointercancel"]) edge.addEventListener(end, () => edge.removeEventListener("pointermove", drag));
    const range = make("input", { type: "range", class: "wide", min: 0, max: 1, step: "any", "aria-label": "Slider between the pictures" });
    range.addEventListener("input", () => {
      memory.at = Number(range.value);
      draw();
    });
    below.replaceChildren(range);
    return [box];
  }

  function flicker(first, second, ratio) {
    const box = pane(view, ratio, make("div", { class: "layer" }, image(first)), make("div", { class: "layer" }, image(second)), name(first, "left"));
    const pause = make("button", { type: "button", class: "playing", onclick: () => play(!memory.playing) });
    below.replaceChildren(make("div", { class: "bar", style: "margin:8px 0 0" }, pause, make("span", { class: "quiet" }, "space stops it, arrows change by hand")));
    return [box];
  }

  function show(which) {
    front = which;
    const layers = panes.querySelectorAll(".layer");
    if (layers.length < 2) return;
    layers[0].style.visibility = front ? "hidden" : "visible";
    layers[1].style.visibility = front ? "visible" : "hidden";
    panes.querySelector(".name").textContent = letter(model.get("pair")[front]);
  }

  function play(on) {
    memory.playing = on;
    clearInterval(timer);
    if (model.get("mode") !== "flicker") return;
    if (on) timer = setInterval(() => show(1 - front), FLICKER);
    below.querySelector(".playing").textContent = on ? "pause" : "play";
  }

  function differs(first, second, ratio) {
    const known = memory.differences.get(`${first} ${second}`);
    if (!known) {
      model.send({ kind: "difference", pair: [first, second] });
      below.replaceChildren(make("span", { class: "quiet" }, "comparing …"));
      return [pane(view, ratio)];
    }
    if (known.problem) {
      below.replaceChildren(make("span", {}, known.problem));
      return [pane(view, ratio)];
    }
    below.replaceChildren(
      make("div", { class: "scale" }, make("span", {}, "0"), make("span", { class: "ramp", style: `background:${RAMP}`, role: "img",
        "aria-label": `Scale from 0 to ${known.greatest} of 255` }), make("span", {}, `${known.greatest} of 255`), make("span", { class: "quiet" }, known.words)),
      ...(known.note ? [make("div", { class: "quiet" }, known.note)] : []),
    );
    const alt = `Difference of ${letter(first)} and ${letter(second)}: ${known.words}`;
    return [pane(view, `${known.width} / ${known.height}`, make("img", { src: known.address, alt, draggable: "false" }))];
  }

  function paint() {
    clearInterval(timer);
    const [mode, [first, second]] = [model.get("mode"), model.get("pair")];
    if (!about(first) || !about(second)) return;
    const ratio = `${about(first).width} / ${about(first).height}`;
    below.replaceChildren();
    for (const element of [sheet, panes]) element.classList.toggle("two", mode === "side by side");
    sheet.style.setProperty("--ratio", about(first).width / about(first).height);
    const side = (number) => pane(view, `${about(number).width} / ${about(number).height}`, image(number), name(number, "left"));
    const built = { slider, flicker, difference: differs, "side by side": () => [side(first), side(second)] };
    panes.replaceChildren(...built[mode](first, second, ratio));
    for (const label of radios) label.firstChild.checked = label.firstChild.value === mode;
    chosen.forEach((select, place) => (select.value = [first, second][place]));
    const [one, other] = [about(first), about(second)];
    const size = (it) => `${it.width} × ${it.height}`;
    const same = one.width === other.width && one.height === other.height;
    sizes.textContent = same ? `both ${size(one)}` : `different sizes: ${letter(first)} ${size(one)}, ${letter(second)} ${size(other)}; each is fitted into the frame`;
    if (mode === "flicker") {
      show(0);
      play(memory.playing);
    }
    draw();
  }

  function draw() {
    for (const box of panes.querySelectorAll(".pane")) box.classList.toggle("close", view.scale >= PIXELS_SHOW);
    for (const img of panes.querySelectorAll("img")) img.style.transform = view.transform();
    zoomed.textContent = `${Math.round(view.scale * 100)} %`;
    const [over, edge, range] = [panes.querySelector(".over"), panes.querySelector(".edge"), below.querySelector("input")];
    if (!over) return;
    over.style.clipPath = `inset(0 ${(1 - memory.at) * 100}% 0 0)`;
    edge.style.left = `${memory.at * 100}%`;
    range.value = memory.at;
    range.setAttribute("aria-valuetext", `${Math.round(memory.at * 100)} percent ${letter(model.get("pair")[0])}`);
  }

  listen(model, "msg:custom", (content, buffers) => {
    if (content.kind === "picture") {
      memory.addresses.set(content.number, blobAddress(content.type, buffers[0]));
      for (const img of panes.querySelectorAll(`img[data-number="${Number(content.number)}"]`)) img.src = memory.addresses.get(content.number);
    } else if (content.kind === "difference") {
      const address = content.problem ? "" : blobAddress("image/png", buffers[0]);
      memory.differences.set(content.pair.join(" "), { ...content, address });
      if (model.get("mode") === "difference") paint();
    }
  }, signal);
  for (const event of ["mode", "pair"]) listen(model, `change:${event}`, paint, signal);
  signal.addEventListener("abort", () => clearInterval(timer));
  paint();
}

export default attached(mountComparison);
