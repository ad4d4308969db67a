// One control for each input: what a schema says becomes what a person can do.

const LARGEST_SEED = 2 ** 31 - 1;

function textField(control, form) {
  return make("input", { ...form.common(control), type: "text", class: "wide-field", value: form.get(control.id) ?? control.default ?? "",
    oninput: (event) => form.set(control.id, event.target.value) });
}

function textArea(rows, isCode) {
  return (control, form) => {
    const area = make("textarea", { ...form.common(control), rows, class: isCode ? "wide-field code" : "wide-field", spellcheck: isCode ? "false" : null,
      oninput: () => form.set(control.id, area.value) });
    area.value = form.get(control.id) ?? control.default ?? "";
    return area;
  };
}

function numberField(control, form) {
  return make("input", { ...form.common(control), type: "text", inputmode: "decimal", class: "number", value: form.get(control.id) ?? control.default ?? "",
    oninput: (event) => form.set(control.id, event.target.value), placeholder: range(control) });
}

function range({ minimum, maximum }) {
  if (minimum === null && maximum === null) return "";
  return minimum === null ? `up to ${maximum}` : maximum === null ? `from ${minimum}` : `${minimum} – ${maximum}`;
}

function slider(control, form) {
  const number = numberField(control, form);
  const rail = make("input", { type: "range", min: control.minimum, max: control.maximum, step: control.step ?? "any", tabindex: "0",
    "aria-label": control.label, oninput: () => {
      number.value = String(Number(Number(rail.value).toPrecision(12)));
      form.set(control.id, number.value);
    } });
  const follow = () => (rail.value = number.value === "" ? (control.minimum + control.maximum) / 2 : number.value);
  number.addEventListener("input", follow);
  follow();
  return make("div", { class: "beside" }, rail, number);
}

function seedField(control, form) {
  const number = numberField(control, form);
  number.placeholder = "random";
  const low = Math.max(0, control.minimum ?? 0);
  const high = Math.min(LARGEST_SEED, control.maximum ?? LARGEST_SEED);
  const roll = () => {
    number.value = String(low + Math.floor(Math.random() * (high - low + 1)));
    form.set(control.id, number.value);
  };
  return make("div", { class: "beside" }, number, make("button", { type: "button", "aria-label": `Roll the dice for ${control.label}`, title: "Another seed", onclick: roll }, "🎲"));
}


function choice(control, form, more = []) {
  const held = form.get(control.id);
  const chosen = String(held ?? control.default ?? "");
  const none = control.default === null ? [make("option", { value: "" }, control.required ? "choose …" : "—")] : [];
  const listed = control.choices.map((label, number) => make("option", { value: number }, label));
  const select = make("select", { ...form.common(control), onchange: () => form.set(control.id, /^\d+$/.test(select.value) ? Number(select.value) : select.value || null) },
    ...none, ...listed, ...more);
  select.value = chosen;
  return select;
}

function switchField(control, form) {
  const box = make("input", { ...form.common(control), type: "checkbox", onchange: () => form.set(control.id, box.checked) });
  box.checked = form.get(control.id) ?? control.default === true;
  return box;
}

function objectField(control, form) {
  return make("fieldset", { "aria-label": `Parts of ${control.label}` }, ...control.children.map((child) => row(child, form)));
}

function eitherField(control, form) {
  const inner = objectField(control, form);
  const select = choice(control, form, [make("option", { value: "custom" }, "custom …")]);
  const follow = () => (inner.hidden = select.value !== "custom");
  select.addEventListener("change", follow);
  follow();
  return make("div", {}, select, inner);
}

const FIELDS = {
  prompt: textArea(3, false),
  text: textField,
  slider,
  number: numberField,
  seed: seedField,
  choice: (control, form) => choice(control, form),
  switch: switchField,
  file: fileField,
  lines: (control, form) => {
    const area = textArea(3, false)(control, form);
    area.placeholder = "one a line";
    return area;
  },
  object: objectField,
  either: eitherField,
  json: (control, form) => {
    const area = textArea(3, true)(control, form);
    area.placeholder = "JSON";
    return area;
  },
};

function row(control, form) {
  const about = control.description
    ? [make("span", { class: "about", title: control.description, "aria-hidden": "true" }, "?"), make("span", { class: "hidden-text", id: `${form.idOf(control)}-about` }, control.description)]
    : [];
  const label = make("label", { for: form.idOf(control), title: control.description || null }, control.label,
    control.required ? make("span", { class: "required", title: "required" }, " *", make("span", { class: "hidden-text" }, " required")) : null);
  const wrong = make("div", { class: "wrong", id: `${form.idOf(control)}-wrong`, role: "alert" });
  form.errors.set(control.id, wrong);
  return make("div", { class: `row ${control.kind}` }, make("div", { class: "label" }, label, ...about), make("div", { class: "field" }, FIELDS[control.kind](control, form), wrong));
}
