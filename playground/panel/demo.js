// The panel beside the channels: the guided tour, and the buttons that break things.
// Its state and all its sentences come from the demo (playground/panel/panel.py); nothing else is loaded.

const secret = window.location.hash.slice(1);
const POLL = 1000;
const REST = 1200; // ms in which a button that turns into its opposite takes no second press
const KEPT = "demo-panel";
const kept = { tab: "tour", folded: false, begun: false, ...read() };
let state = null;
let over = false;
let misses = 0;
let sure = false;
const resting = new Set();

function read() {
  try {
    return JSON.parse(window.localStorage.getItem(KEPT) || "{}");
  } catch {
    return {};
  }
}

function keep(changes) {
  Object.assign(kept, changes);
  try {
    window.localStorage.setItem(KEPT, JSON.stringify(kept));
  } catch {
    // a browser that keeps nothing: the panel works all the same
  }
  draw();
}

async function ask(path, body) {
  const answer = await fetch(`/demo/${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { "X-Simcord-Capability": secret, "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
  });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

async function wish(path, body) {
  try {
    take(await ask(path, body));
  } catch {
    await poll();
  }
}

// Press once: a double press must not undo, or confirm, what its first half did.
function once(name, press) {
  if (resting.has(name)) return;
  resting.add(name);
  window.setTimeout(() => {
    resting.delete(name);
    draw();
  }, REST);
  press();
  draw();
}

function take(next) {
  misses = 0;
  over = false;
  if (state && next.run !== state.run) {
    keep({ begun: false });
    window.location.reload(); // the page before it belongs to a world that is gone
    return;
  }
  state = next;
  if (isBegun() && !current()) leave(); // the tour is over: things happen by themselves again
  draw();
}

async function poll() {
  try {
    take(await ask("state"));
  } catch {
    misses += 1;
    if (state && !state.resetting && misses > 2) over = true;
    draw();
  }
}

async function keepPolling() {
  await poll();
  window.setTimeout(keepPolling, POLL);
}

// ---------------------------------------------------------------- drawing

function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null));
  return made;
}

function button(label, press, attributes = {}) {
  return make("button", { type: "button", onclick: press, ...attributes }, label);
}

// `code` in a sentence
function sentence(text) {
  return text.split("`").map((part, at) => (at % 2 ? make("code", {}, part) : part));
}

function current() {
  return state.steps.find((step) => !step.done) || null;
}

// Whether this browser takes the tour. The demo may be another one than before, at the same address.
function isBegun() {
  return kept.begun && state.begun;
}

// Where this page is not the main one, the link to it.
function linkToMain() {
  const first = document.querySelector(".demo-tabs > :first-child");
  return first && first.tagName === "A" ? first.href : null;
}

function view(viewer) {
  const picker = document.querySelector("#viewer-picker");
  if (!picker || picker.value === viewer) return;
  picker.value = viewer;
  picker.dispatchEvent(new Event("change"));
}

function begin() {
  void wish("begin", {});
  keep({ begun: true, tab: "tour", folded: false });
}

function leave() {
  void wish("by-itself", { on: true });
  keep({ begun: false });
}

function doIt(step) {
  view(step.viewer);
  void wish("act", { step: step.key });
}

function tour() {
  const { labels, steps } = state;
  const step = current();
  const count = steps.filter((each) => each.done).length;
  if (!step) {
    return [make("p", {}, labels.done), button(labels.break, () => keep({ tab: "break" }), { class: "main" })];
  }
  if (!isBegun()) {
    return [
      make("p", {}, labels.welcome),
      button(count ? labels.resume : labels.begin, begin, { class: "main" }),
    ];
  }
  const main = linkToMain();
  return [
    make("ol", { class: "dots", "aria-hidden": "true" }, steps.map((each) =>
      make("li", { class: each.done ? "done" : each === step ? "now" : "" }))),
    make("h3", {}, `${steps.indexOf(step) + 1} / ${steps.length}  ${step.title}`),
    make("p", { "aria-live": "polite" }, sentence(step.text)),
    state.failed ? make("p", { class: "failed" }, labels.failed) : null,
    main
      ? make("p", {}, `${labels.elsewhere} `, make("a", { href: main }, labels.go))
      : button(state.acting ? labels.acting : labels.do, () => doIt(step), { class: "main", disabled: state.acting }),
    make("div", { class: "quiet" },
      button(labels.skip, () => void wish("skip", { step: step.key })),
      button(labels.leave, leave)),
  ];
}

function breaking() {
  const { labels } = state;
  return [
    make("p", {}, labels.poll),
    make("ul", { class: "breakages" }, state.breakages.map((each) =>
      make("li", { class: each.broken ? "broken" : "" },
        make("strong", {}, each.title, make("span", { class: "state" }, each.broken ? labels.broken : labels.whole)),
        make("p", {}, each.sight),
        button(each.broken ? labels.mend : labels.do_break,
          () => once(each.name, () => void wish(each.broken ? "mend" : "break", { name: each.name })),
          { disabled: resting.has(each.name), "data-breakage": each.name, "aria-label": `${each.broken ? labels.mend : labels.do_break}: ${each.title}` })))),
    make("label", {},
      make("input", { type: "checkbox", checked: state.byItself, onchange: (event) => void wish("by-itself", { on: event.target.checked }) }),
      ` ${labels.by_itself}`),
    make("div", { class: "quiet" },
      sure
        ? button(labels.sure, () => void wish("reset", {}), { class: "danger", disabled: resting.has("reset"), "data-reset": "sure" })
        : button(labels.reset, () => once("reset", () => { sure = true; draw(); }), { "data-reset": "ask" }),
      button(labels.other_language, () => void wish("reset", { language: state.language === "ja" ? "en" : "ja" }), { "data-reset": "language" })),
  ];
}

function head() {
  const { labels } = state;
  const step = isBegun() ? current() : null;
  const at = step ? ` ${state.steps.indexOf(step) + 1}/${state.steps.length}` : "";
  const tab = (name, label) => button(label, () => { sure = false; keep({ tab: name, folded: false }); },
    { "aria-pressed": String(kept.tab === name && !kept.folded), "data-tab": name });
  return make("header", {},
    tab("tour", labels.tour + at),
    tab("break", labels.break),
    button(kept.folded ? "+" : "−", () => keep({ folded: !kept.folded }),
      { class: "fold", "aria-label": kept.folded ? labels.unfold : labels.fold, "aria-expanded": String(!kept.folded) }));
}

const panel = make("aside", { id: "demo-panel", class: "demo-panel" });
let drawn = "";

function draw() {
  if (!state) return;
  const wanted = JSON.stringify([state, kept, over, sure, [...resting]]);
  if (wanted === drawn) return;
  drawn = wanted;
  const focused = panel.contains(document.activeElement) ? path(document.activeElement) : null;
  panel.lang = state.language;
  document.documentElement.lang = state.language;
  const step = isBegun() && !kept.folded ? current() : null;
  document.body.dataset.demoPlace = step && !linkToMain() ? step.place : "";
  panel.classList.toggle("folded", kept.folded);
  panel.setAttribute("aria-label", `${state.labels.tour} · ${state.labels.break}`);
  const told = over ? state.labels.over : state.resetting ? state.labels.resetting : null;
  panel.replaceChildren(
    head(),
    told
      ? make("div", { class: "body", role: "status" }, make("p", {}, told))
      : make("div", { class: "body", hidden: kept.folded }, kept.tab === "break" ? breaking() : tour()),
  );
  if (focused) panel.querySelectorAll("button, input, a")[focused - 1]?.focus();
}

// the place of an element among those that can have the focus, from 1
function path(element) {
  return [...panel.querySelectorAll("button, input, a")].indexOf(element) + 1;
}

if (secret) {
  document.querySelector("#preview-workspace").append(panel);
  void keepPolling();
}
