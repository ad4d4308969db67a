// A field for files: chosen or dropped, shown, and sent to the kernel piece by piece.

const PIECE = 1_000_000; // bytes of one message; Jupyter refuses messages of ten times that
const MOST_SHOWN = 12;

function fileField(control, form) {
  const { model, memory } = form;
  memory.previews ??= {};
  const busy = make("span", { class: "quiet", role: "status" });
  const shown = make("div", { class: "previews" });
  const chooser = make("input", { type: "file", class: "hidden-text", id: form.idOf(control), multiple: control.list,
    "aria-describedby": form.describedBy(control), onchange: () => take([...chooser.files]) });
  const remove = make("button", { type: "button", onclick: forget }, "remove");
  const address = make("input", { type: "text", placeholder: control.list ? "or addresses, one after the other" : "or an address: https://…", class: "wide-field",
    "aria-label": `Address for ${control.label}`, value: (form.get(control.id) ?? "").split("\n").join(" "),
    oninput: () => form.set(control.id, address.value.trim().split(/\s+/).join("\n")) });
  const drop = make(
    "div",
    { class: "drop", ondragover: over, ondragleave: () => drop.classList.remove("over"), ondrop: dropped },
    make("label", { for: form.idOf(control), class: "choose" }, control.list ? "Choose files" : "Choose a file"),
    " or drop here ",
    busy,
    remove,
    shown,
  );

  function over(event) {
    event.preventDefault();
    event.stopPropagation();
    drop.classList.add("over");
  }

  function dropped(event) {
    event.preventDefault();
    event.stopPropagation(); // Jupyter would upload it beside the notebook
    drop.classList.remove("over");
    take([...event.dataTransfer.files]);
  }

  function forget() {
    memory.previews[control.id] = [];
    chooser.value = "";
    model.send({ kind: "forget", id: control.id });
    paint();
  }

  async function take(files) {
    const wanted = control.list ? files : files.slice(0, 1);
    if (!wanted.length) return;
    if (!control.list) memory.previews[control.id] = [];
    for (const file of wanted) {
      const isPicture = /^image\/(png|jpeg|webp|gif|avif|bmp)$/.test(file.type);
      const address = isPicture ? URL.createObjectURL(file) : "";
      memory.previews[control.id] = [...(memory.previews[control.id] ?? []), { name: file.name, size: file.size, address }];
      paint();
      await send(file);
    }
    busy.textContent = "";
  }

  async function send(file) {
    const token = crypto.randomUUID();
    for (let at = 0; at === 0 || at < file.size; at += PIECE) {
      const piece = await file.slice(at, at + PIECE).arrayBuffer();
      busy.textContent = `${Math.round((100 * at) / Math.max(1, file.size))} %`;
      model.send({ kind: "file", id: control.id, token, name: file.name, last: at + PIECE >= file.size }, undefined, [piece]);
    }
  }

  function paint() {
    const held = memory.previews[control.id] ?? [];
    const count = model.get("files")[control.id] ?? 0;
    remove.hidden = !held.length && !count;
    const more = Math.max(0, Math.max(held.length, count) - Math.min(held.length, MOST_SHOWN));
    shown.replaceChildren(
      ...held.slice(0, MOST_SHOWN).map((it) =>
        make("figure", {}, it.address ? make("img", { src: it.address, alt: it.name }) : null, make("figcaption", {}, `${it.name} · ${Math.ceil(it.size / 1000)} kB`)),
      ),
      more ? make("span", { class: "quiet" }, held.length ? `and ${more} more` : `${more} ${more === 1 ? "file" : "files"}`) : "",
    );
  }

  listen(model, "change:files", paint, form.signal);
  paint();
  return make("div", {}, chooser, drop, address);
}
