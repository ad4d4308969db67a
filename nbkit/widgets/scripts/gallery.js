// A grid of pictures. The kernel sends a picture when its page is looked at.

const PAGE = 24;
const LARGE_KEPT = 8;
const ORDERS = { given: "as given", time: "time", seconds: "seconds", seed: "seed", name: "name" };

function facts(item) {
  const seed = item.seed === null ? "" : `seed ${item.seed}`;
  return [item.prompt, seed, item.endpoint].filter(Boolean).join(" · ") || item.name;
}

function allFacts(item) {
  const size = item.width && item.height ? `${item.width} × ${item.height}` : "";
  const seconds = item.seconds === null ? "" : `${item.seconds.toFixed(1)} s`;
  return [facts(item), seconds, size].filter(Boolean).join(" · ");
}

function sorted(items, order, descending) {
  const key = { seed: (it) => (it.seed === null ? null : Number(it.seed)), name: (it) => it.name }[order] ?? ((it) => it[order]);
  const found = [...items];
  if (order !== "given") {
    // What is not known comes last, whichever way round.
    const sign = descending ? -1 : 1;
    found.sort((one, other) => {
      const [a, b] = [key(one), key(other)];
      if (a === null || b === null) return (a === null) - (b === null);
      return sign * (typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b);
    });
  } else if (descending) found.reverse();
  return found;
}

// Asks the kernel for pictures, and keeps them: all small ones, the newest large ones.
function pictureStore(model, memory, signal) {
  memory.pictures ??= new Map();
  const waiting = new Map();
  const take = (name, picture) => {
    memory.pictures.set(name, picture);
    const large = [...memory.pictures.keys()].filter((it) => it.startsWith("large"));
    for (const old of large.slice(0, -LARGE_KEPT)) {
      URL.revokeObjectURL(memory.pictures.get(old).address);
      memory.pictures.delete(old);
    }
    for (const ready of waiting.get(name) ?? []) ready(picture);
    waiting.delete(name);
  };
  const heard = (content, buffers) => {
    if (content.kind !== "picture") return;
    const name = `${content.size} ${content.number}`;
    if (content.problem) take(name, { problem: content.problem });
    else take(name, { address: blobAddress(content.type, buffers[0]) });
  };
  listen(model, "msg:custom", heard, signal);
  return (numbers, size, ready) => {
    const missing = [];
    for (const number of numbers) {
      const name = `${size} ${number}`;
      const known = memory.pictures.get(name);
      if (known) {
        ready(known, number);
        continue;
      }
      if (!waiting.has(name)) missing.push(number);
      waiting.set(name, [...(waiting.get(name) ?? []), (picture) => ready(picture, number)]);
    }
    if (missing.length) model.send({ kind: "pictures", numbers: missing, size });
  };
}

function mountGallery(model, root, signal, memory) {
  memory.page ??= 0;
  memory.onlyStarred ??= false;
  const store = pictureStore(model, memory, signal);
  const toggle = (name) => (number) => {
    const held = model.get(name);
    put(model, name, held.includes(number) ? held.filter((it) => it !== number) : [...held, number]);
  };
  const [star, select] = [toggle("starred"), toggle("selected")];
  const zoom = zoomView({
    about: (number) => model.get("items")[number],
    ask: (number, size, ready) => store([number], size, ready),
    isStarred: (number) => model.get("starred").includes(number),
    star,
    words: allFacts,
  });

  const count = make("span", { role: "status", class: "count" });
  const orders = Object.entries(ORDERS).map(([value, label]) => make("option", { value }, label));
  const order = make("select", { "aria-label": "Sort by", onchange: () => put(model, "order", order.value) }, ...orders);
  const way = make("button", { type: "button", onclick: () => put(model, "descending", !model.get("descending")) });
  const captions = make("input", { type: "checkbox", onchange: () => put(model, "captions", captions.checked) });
  const starred = make("input", { type: "checkbox", onchange: onlyStarred });
  const clear = make("button", { type: "button", onclick: () => put(model, "selected", []) }, "clear selection");
  const grid = make("div", { class: "grid", onkeydown: onKey });
  const turn = (step) => () => {
    memory.page += step;
    paint();
    grid.querySelector(".picture")?.focus();
  };
  const back = make("button", { type: "button", "aria-label": "Previous page", onclick: turn(-1) }, "◀");
  const page = make("span", { class: "quiet" });
  const forth = make("button", { type: "button", "aria-label": "Next page", onclick: turn(1) }, "▶");
  const pages = make("span", { class: "bar end", role: "group", "aria-label": "Pages" }, back, page, forth);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Gallery");
  root.append(
    make(
      "div",
      { class: "bar" },
      count,
      make("label", { class: "tick" }, "sort by ", order),
      way,
      make("label", { class: "tick" }, captions, "captions"),
      make("label", { class: "tick" }, starred, "starred only"),
      clear,
      pages,
    ),
    grid,
    zoom.dialog,
  );

  function onlyStarred() {
    memory.onlyStarred = starred.checked;
    memory.page = 0;
    paint();
  }

  function shown() {
    const items = sorted(model.get("items"), model.get("order"), model.get("descending"));
    const held = new Set(model.get("starred"));
    return memory.onlyStarred ? items.filter((item) => held.has(item.number)) : items;
  }

  function onKey(event) {
    const picture = event.target.closest(".picture");
    if (!picture || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = [...grid.querySelectorAll(".picture")];
    const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
    const number = Number(picture.dataset.number);
    if (event.key in steps) all[all.indexOf(picture) + steps[event.key]]?.focus();
    else if (event.key === " ") select(number);
    else if (event.key === "s") star(number);
    else return;
    event.preventDefault();
  }

  function tile(item, numbers) {
    const picture = make(
      "button",
      { type: "button", class: "picture", "aria-label": `Zoom: ${facts(item)}`, "data-number": item.number },
      make("span", { class: "missing quiet" }, "…"),
    );
    picture.addEventListener("click", () => zoom.open(numbers, item.number));
    const ticked = make("input", { type: "checkbox", "aria-label": `Select: ${facts(item)}`, onchange: () => select(item.number) });
    const starring = make("button", { type: "button", class: "star", "aria-label": `Star: ${facts(item)}`, onclick: () => star(item.number) });
    const words = make("figcaption", { title: allFacts(item) }, facts(item));
    const marks = make("div", { class: "marks" }, ticked, starring);
    return make("figure", { class: "tile", "data-number": item.number }, picture, marks, words);
  }

  function mark() {
    const [selected, held] = [new Set(model.get("selected")), new Set(model.get("starred"))];
    for (const figure of grid.children) {
      const number = Number(figure.dataset.number);
      const starring = figure.querySelector(".star");
      figure.classList.toggle("selected", selected.has(number));
      figure.querySelector("input").checked = selected.has(number);
      figure.querySelector("figcaption").hidden = !model.get("captions");
      starring.textContent = held.has(number) ? "★" : "☆";
      starring.setAttribute("aria-pressed", String(held.has(number)));
    }
    const total = model.get("items").length;
    const running = model.get("waiting") ? `${model.get("waiting")} still running` : "";
    const chosen = selected.size ? `${selected.size} selected` : "";
    count.textContent = [`${total} ${total === 1 ? "picture" : "pictures"}`, chosen, running].filter(Boolean).join(" · ");
    clear.hidden = !selected.size;
    captions.checked = model.get("captions");
  }

  function paint() {
    const items = shown();
    const last = Math.max(0, Math.ceil(items.length / PAGE) - 1);
    memory.page = Math.min(last, Math.max(0, memory.page));
    const here = items.slice(memory.page * PAGE, (memory.page + 1) * PAGE);
    const numbers = items.map((item) => item.number);
    const tiles = new Map(here.map((item) => [item.number, tile(item, numbers)]));
    grid.replaceChildren(...tiles.values());
    store([...tiles.keys()], "small", (picture, number) => {
      const alt = facts(model.get("items")[number]);
      const inner = picture.problem
        ? make("span", { class: "missing" }, picture.problem)
        : make("img", { src: picture.address, alt });
      tiles.get(number).querySelector(".picture").replaceChildren(inner);
    });
    order.value = model.get("order");
    way.textContent = model.get("descending") ? "↓" : "↑";
    way.setAttribute("aria-label", model.get("descending") ? "Descending; sort ascending" : "Ascending; sort descending");
    starred.checked = memory.onlyStarred;
    pages.hidden = last === 0;
    page.textContent = `${memory.page + 1} / ${last + 1}`;
    back.disabled = memory.page === 0;
    forth.disabled = memory.page === last;
    mark();
  }

  for (const name of ["items", "order", "descending"]) listen(model, `change:${name}`, paint, signal);
  for (const name of ["selected", "starred", "captions", "waiting"]) listen(model, `change:${name}`, mark, signal);
  paint();
}

export default attached(mountGallery);
