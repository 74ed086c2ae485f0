// Draws plain descriptions (made by `h`) into the document and changes only what differs.
//
// The whole state arrives on every change, so every part of the page is described again each time. What makes that
// safe is here: an element is kept when its key (or its place) and tag stay the same, and what a person typed is a
// property of the element that no description ever sets again. Text is always set as text, never as markup.

const PROPS = Symbol("props");
const KEY = Symbol("key");
const DRAWN = Symbol("drawn");

/** Describe an element. `key` names it among its siblings; `init(el)` runs once, `each(el)` after every drawing. */
export function h(tag, props, ...children) {
  return { tag, props: props ?? {}, key: props?.key ?? null, children: flat(children) };
}

function flat(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== "");
}

/** Make the children of `parent` look like `next`, keeping every element that can be kept. */
export function patch(parent, next) {
  const wanted = flat([next]);
  const nodes = matched([...parent.childNodes], wanted);
  const kept = new Set(nodes);
  for (const old of [...parent.childNodes]) if (!kept.has(old)) old.remove();
  let cursor = parent.firstChild;
  wanted.forEach((description, index) => {
    const node = nodes[index] ?? created(description);
    if (node === cursor) cursor = cursor.nextSibling;
    else parent.insertBefore(node, cursor); // kept nodes do not move unless their order changed: moving drops focus
    update(node, description);
  });
}

function matched(old, wanted) {
  const keyed = new Map();
  const loose = [];
  for (const node of old) {
    const key = node[KEY] ?? null;
    if (key === null) loose.push(node);
    else if (!keyed.has(key)) keyed.set(key, node);
  }
  return wanted.map((description) => {
    if (description.tag === undefined) return take(loose, "#text");
    if (description.key === null) return take(loose, description.tag);
    const node = keyed.get(description.key);
    if (!node || node.localName !== description.tag) return null;
    keyed.delete(description.key);
    return node;
  });
}

function take(loose, tag) {
  const index = loose.findIndex((node) =>
    tag === "#text" ? node.nodeType === Node.TEXT_NODE : node.localName === tag,
  );
  if (index < 0) return null;
  return loose.splice(0, index + 1).at(-1);
}

function created(description) {
  if (description.tag === undefined) return document.createTextNode(String(description));
  const el = document.createElement(description.tag);
  el[PROPS] = {};
  el[KEY] = description.key;
  el.isNew = true;
  return el;
}

function update(node, description) {
  if (description.tag === undefined) {
    if (node.data !== String(description)) node.data = String(description);
    return;
  }
  if (node[DRAWN] === description) return; // the same description again: nothing can differ
  node[DRAWN] = description;
  const { props } = description;
  setProps(node, props);
  patch(node, description.children);
  if (node.isNew) {
    node.isNew = false;
    props.init?.(node);
  }
  props.each?.(node);
}

const NOT_ATTRIBUTES = new Set(["key", "init", "each"]);

function setProps(el, props) {
  const before = el[PROPS];
  for (const name of Object.keys(before)) if (!(name in props)) setProp(el, name, null);
  for (const [name, value] of Object.entries(props)) {
    if (NOT_ATTRIBUTES.has(name)) continue;
    if (name === "style") setStyle(el, before.style ?? {}, value);
    else if (before[name] !== value) setProp(el, name, value);
  }
  el[PROPS] = props;
}

/** Only the rules that a description names: others (a shield against clicks) belong to whoever set them. */
function setStyle(el, before, now) {
  for (const rule of Object.keys(before)) if (!(rule in now)) el.style.removeProperty(rule);
  for (const [rule, to] of Object.entries(now)) if (before[rule] !== to) el.style.setProperty(rule, to);
}

function setProp(el, name, value) {
  if (NOT_ATTRIBUTES.has(name)) return;
  if (name.startsWith("on")) el[name] = value;
  else if (name === "style") setStyle(el, el[PROPS].style, {});
  else if (name === "disabled" || name === "inert") el[name] = Boolean(value);
  else if (value === null || value === undefined || value === false) el.removeAttribute(name);
  else el.setAttribute(name, value === true ? "" : String(value));
}
