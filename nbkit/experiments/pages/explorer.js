"use strict";
// Everything from the data is set as text or as the address of a picture, never as HTML.
const data = JSON.parse(document.querySelector("script.data").textContent);
const axes = data.axes, cells = new Map(data.cells.map((cell) => [cell.at.join(), cell]));
const varying = axes.map((_, number) => number).filter((number) => axes[number].labels.length > 1);
const view = {
  across: varying.at(-1) ?? -1,
  down: varying.at(-2) ?? -1,
  fixed: axes.map(() => "all"), // of an axis that is neither across nor down: an index, or every value
  captions: false,
  pinned: null,
};
const page = { main: document.querySelector("main"), viewer: document.querySelector(".viewer"), ballot: document.querySelector(".ballot") };

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function nameOf(cell) {
  return axes.map((axis, number) => `${axis.name} ${axis.labels[cell.at[number]]}`)
    .filter((_, number) => axes[number].labels.length > 1).join(" · ") || data.title;
}

function factsOf(cell) {
  const numbers = Object.entries(cell.numbers).map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`);
  return [cell.caption, ...numbers, cell.problem].filter(Boolean).join(" · ");
}

function picture(cell, isLarge) {
  if (!cell.thumbnail) return make("span", { className: "problem", textContent: cell.problem || cell.state });
  const image = make("img", { alt: nameOf(cell), loading: "lazy", decoding: "async", draggable: false });
  image.src = isLarge && cell.original ? cell.original : cell.thumbnail;
  image.onerror = () => { image.onerror = null; image.src = cell.thumbnail; };
  return image;
}

// --- the grid -------------------------------------------------------------------------------------------------

function combinations(numbers) {
  return numbers.reduce((made, number) => {
    const chosen = view.fixed[number];
    const indexes = chosen === "all" ? axes[number].labels.map((_, index) => index) : [Number(chosen)];
    return made.flatMap((place) => indexes.map((index) => ({ ...place, [number]: index })));
  }, [{}]);
}

function draw() {
  const others = axes.map((_, number) => number).filter((number) => number !== view.across && number !== view.down);
  page.main.replaceChildren(...combinations(others).map((place) => block(place, others)).filter(Boolean));
  document.documentElement.style.setProperty("--head", `${document.querySelector("header").offsetHeight}px`);
}

function block(place, others) {
  const columns = view.across < 0 ? [0] : axes[view.across].labels.map((_, index) => index);
  const rows = view.down < 0 ? [0] : axes[view.down].labels.map((_, index) => index);
  const at = (row, column) => axes.map((_, number) => (number === view.across ? column : number === view.down ? row : place[number]));
  const found = rows.map((row) => columns.map((column) => cells.get(at(row, column).join())));
  if (!found.flat().some(Boolean)) return null;
  const title = others.filter((number) => axes[number].labels.length > 1)
    .map((number) => `${axes[number].name} ${axes[number].labels[place[number]]}`).join(" · ");
  const head = (axis, index) => make("th", { scope: axis === view.across ? "col" : "row" },
    ...(axis < 0 ? [] : [index ? null : make("small", { textContent: `${axes[axis].name} ` }), axes[axis].labels[index]]));
  const body = rows.map((row) => make("tr", {}, head(view.down, row),
    ...columns.map((column) => make("td", {}, ...tile(found[row][column])))));
  const table = make("table", {},
    make("thead", {}, make("tr", {}, make("td"), ...columns.map((column) => head(view.across, column)))),
    make("tbody", {}, ...body));
  return make("section", {}, title ? make("h2", { textContent: title }) : null, table);
}

function tile(cell) {
  if (!cell) return [];
  const button = make("button", { className: "cell", type: "button", title: factsOf(cell) }, picture(cell, false));
  button.dataset.at = cell.at.join();
  button.setAttribute("aria-label", `${nameOf(cell)}${cell.problem ? `: ${cell.problem}` : ""}`);
  button.setAttribute("aria-pressed", String(view.pinned === cell));
  button.onclick = (event) => (event.shiftKey && view.pinned ? open(cell, view.pinned) : open(cell));
  return [button, view.captions ? make("div", { className: "caption", textContent: factsOf(cell) }) : null].filter(Boolean);
}

// --- linked zoom: every picture shows the same part --------------------------------------------------------------

let zoom = 1, dx = 0, dy = 0;
function setZoom() {
  for (const [name, value] of [["--zoom", zoom], ["--dx", `${dx}px`], ["--dy", `${dy}px`]]) page.main.style.setProperty(name, value);
}
page.main.addEventListener("wheel", (event) => {
  const image = event.target.closest(".cell")?.querySelector("img");
  if (!image || !(event.ctrlKey || event.metaKey || event.altKey)) return;
  event.preventDefault();
  const box = image.getBoundingClientRect(), factor = Math.exp(-event.deltaY / 300);
  const next = Math.min(16, Math.max(1, zoom * factor)), change = next / zoom;
  const x = event.clientX - box.left, y = event.clientY - box.top;
  dx = next === 1 ? 0 : dx + x - x * change;
  dy = next === 1 ? 0 : dy + y - y * change;
  zoom = next;
  setZoom();
}, { passive: false });

// --- one picture, or two ------------------------------------------------------------------------------------------

let shown = null;
function open(cell, other = null) {
  shown = cell;
  const stage = make("div", { className: other ? "stage over" : "stage" }, make("div", {}, picture(cell, true)));
  if (other) {
    const slider = make("input", { type: "range", min: 0, max: 100, value: 50, ariaLabel: "How much of each is shown" });
    slider.oninput = () => stage.style.setProperty("--cut", `${slider.value}%`);
    stage.append(make("div", {}, picture(other, true)), slider);
  }
  const pin = make("button", { type: "button", textContent: view.pinned === cell ? "Unpin (c)" : view.pinned ? "Compare (c)" : "Pin to compare (c)" });
  pin.onclick = compare;
  const close = make("button", { type: "button", textContent: "Close (Esc)" });
  close.onclick = () => page.viewer.close();
  const words = other ? `left: ${nameOf(cell)} | right: ${nameOf(other)}` : [nameOf(cell), factsOf(cell)].filter(Boolean).join(" · ");
  page.viewer.replaceChildren(stage, make("div", { className: "bar" }, make("p", { textContent: words }), pin, close));
  if (!page.viewer.open) page.viewer.showModal();
  page.viewer.focus(); // what had the focus is gone, and the keys with it
}

function compare() {
  if (view.pinned && view.pinned !== shown) return open(shown, view.pinned);
  view.pinned = view.pinned === shown ? null : shown;
  draw();
  open(shown);
}

function move(axis, by) {
  if (axis < 0) return;
  const at = [...shown.at];
  do { at[axis] += by; } while (at[axis] >= 0 && at[axis] < axes[axis].labels.length && !cells.has(at.join()));
  if (cells.has(at.join())) open(cells.get(at.join()));
}

page.viewer.addEventListener("keydown", (event) => {
  if (event.target.type === "range") return;
  const third = varying.findLast((number) => number !== view.across && number !== view.down) ?? -1;
  const action = {
    ArrowRight: () => move(view.across, 1), ArrowLeft: () => move(view.across, -1),
    ArrowDown: () => move(view.down, 1), ArrowUp: () => move(view.down, -1),
    PageDown: () => move(third, 1), PageUp: () => move(third, -1), c: compare,
  }[event.key];
  if (action) { event.preventDefault(); action(); }
});
page.viewer.addEventListener("close", () => page.main.querySelector(`[data-at="${shown.at.join()}"]`)?.focus());

page.main.addEventListener("keydown", (event) => {
  const by = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
  const here = event.target.closest("td");
  if (!by || !here) return;
  event.preventDefault();
  const row = here.parentElement, table = row.closest("table");
  table.rows[row.rowIndex + by[0]]?.cells[here.cellIndex + by[1]]?.querySelector("button")?.focus();
});

// --- judging in pairs, without knowing which is which ---------------------------------------------------------------

const ballots = [];
let voter = "";
function shuffled(items) {
  for (let last = items.length - 1; last > 0; last -= 1) {
    const other = Math.floor(Math.random() * (last + 1));
    [items[last], items[other]] = [items[other], items[last]];
  }
  return items;
}

function pairs() {
  // Two cells are compared that differ in the value across, all else, the seed too, being the same.
  const groups = Map.groupBy([...cells.values()].filter((cell) => cell.thumbnail),
    (cell) => cell.at.map((index, number) => (number === data.judged ? "" : index)).join());
  const made = [...groups.values()].flatMap((group) => group.flatMap((one, index) => group.slice(index + 1).map((other) => shuffled([one, other]))));
  return shuffled(made);
}

function vote() {
  const waiting = pairs();
  if (!waiting.length) return;
  const next = () => {
    const pair = waiting.pop();
    if (!pair) return save();
    const choose = (choice) => {
      ballots.push({ left: pair[0].judgedAs, right: pair[1].judgedAs, choice, voter, pair: pair.map((cell) => cell.at.join()).sort().join(" | ") });
      next();
    };
    const side = (cell, choice) => {
      const button = make("button", { type: "button", ariaLabel: `The ${choice} one is better` }, picture(cell, true));
      button.querySelector("img").alt = `the ${choice} picture`;
      button.onclick = () => choose(choice);
      return make("div", {}, button);
    };
    const tie = make("button", { type: "button", textContent: "As good as each other (space)" });
    tie.onclick = () => choose("tie");
    const done = make("button", { type: "button", textContent: "Save what I have (s)" });
    done.onclick = save;
    page.ballot.choose = choose;
    page.ballot.replaceChildren(make("div", { className: "stage" }, side(pair[0], "left"), side(pair[1], "right")),
      make("div", { className: "bar" }, make("p", { textContent: `Which is better? ← or →. ${ballots.length} judged, ${waiting.length + 1} to go.` }), tie, done));
    page.ballot.focus();
  };
  page.ballot.showModal();
  next();
}

function save() {
  page.ballot.close();
  if (!ballots.length) return;
  const text = JSON.stringify({ kind: "nbkit ballots", sweep: data.id, ballots }, null, 1);
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: "ballots.json" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

page.ballot.addEventListener("keydown", (event) => {
  const choice = { ArrowLeft: "left", ArrowRight: "right", " ": "tie" }[event.key];
  if (choice) { event.preventDefault(); page.ballot.choose(choice); } else if (event.key === "s") save();
});
page.ballot.addEventListener("cancel", (event) => { event.preventDefault(); save(); });

// --- controls ---------------------------------------------------------------------------------------------------------

function pick(words, options, value, change) {
  const select = make("select", {}, ...options.map(([key, text]) => make("option", { value: key, textContent: text })));
  select.value = String(value);
  select.onchange = () => { change(select.value); controls(); draw(); };
  return make("label", {}, make("span", { textContent: words }), select);
}

function controls() {
  const named = varying.map((number) => [number, axes[number].name]);
  const place = (key, other) => (value) => {
    const chosen = Number(value);
    if (chosen === view[other] && chosen >= 0) view[other] = view[key];
    view[key] = chosen;
  };
  const rest = varying.filter((number) => number !== view.across && number !== view.down).map((number) =>
    pick(axes[number].name, [["all", "all, side by side"], ...axes[number].labels.map((label, index) => [index, label])],
      view.fixed[number], (value) => { view.fixed[number] = value; }));
  const size = make("input", { type: "range", min: 48, max: 512, step: 8, value: parseInt(getComputedStyle(document.documentElement).getPropertyValue("--size"), 10) });
  size.oninput = () => document.documentElement.style.setProperty("--size", `${size.value}px`);
  const captions = make("input", { type: "checkbox", checked: view.captions });
  captions.onchange = () => { view.captions = captions.checked; draw(); };
  const reset = make("button", { type: "button", textContent: "Reset zoom", title: "Ctrl and the wheel over a picture zooms all of them" });
  reset.onclick = () => { zoom = 1; dx = dy = 0; setZoom(); };
  const judge = make("button", { type: "button", textContent: "Judge in pairs" });
  judge.onclick = () => { voter = prompt("Your name, or nothing", voter) ?? ""; vote(); };
  document.querySelector(".controls").replaceChildren(...(named.length ? [
    pick("columns", [[-1, "—"], ...named], view.across, place("across", "down")),
    pick("rows", [[-1, "—"], ...named], view.down, place("down", "across")),
    ...rest] : []),
    make("label", {}, make("span", { textContent: "size" }), size),
    make("label", { className: "inline" }, captions, "captions"), reset,
    ...(data.judged >= 0 ? [judge] : []));
}

document.querySelector(".controls").onsubmit = (event) => event.preventDefault();
document.querySelector("h1").textContent = data.title;
document.querySelector(".about").textContent = data.about;
controls();
draw();
