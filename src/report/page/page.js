"use strict";
// Every text of the project is put into the page with textContent: nothing of it is ever read as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const ORDER = ["failed", "run", "may-run", "ask", "restore", "skip", "unknown", "fresh"];
const SIGN = { failed: "✗", run: "●", "may-run": "◐", ask: "?", restore: "↺", skip: "–", unknown: "·", fresh: "✓" };
const WIDTH = 190, HEIGHT = 30, GAP_X = 70, GAP_Y = 14, PAD = 16;
const by = (id) => document.getElementById(id);
const make = (tag, classes, text) => {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  if (text !== undefined) element.textContent = text;
  return element;
};
const draw = (tag, attributes) => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
const time = (ms) => ms == null ? "" : ms < 1000 ? `${ms} ms` : ms < 60000 ? `${(ms / 1000).toFixed(1)} s`
  : `${Math.floor(ms / 60000)} min ${Math.floor(ms % 60000 / 1000)} s`;
const mib = (bytes) => `${(bytes / 1048576).toFixed(1)} MiB`;
const more = (bytes) => `${bytes < 0 ? "−" : "+"}${(Math.abs(bytes) / 1024).toFixed(1)} KiB`;
const short = (text) => { const all = Array.from(text); return all.length > 24 ? all.slice(0, 23).join("") + "…" : text; };
const worst = (members) => ORDER.find((state) => members.some((id) => data.nodes[id].state === state)) || "unknown";
// Enter and Space do what a click does.
const act = (element, action) => {
  element.addEventListener("click", action);
  element.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); action(); }
  });
};

const hiddenStates = new Set();
const needle = data.nodes.map((node) => `${node.name} ${node.kind} ${node.state} ${node.command} ${node.why}`.toLowerCase());
const visible = data.nodes.map(() => true);
const users = data.nodes.map(() => []);
data.nodes.forEach((node, id) => node.deps.forEach((dep) => users[dep].push(id)));
const boxOf = [];
data.drawn.forEach((box, at) => box.members.forEach((id) => { boxOf[id] = at; }));

by("name").textContent = data.name;
if (data.note) { by("note").textContent = data.note; by("note").hidden = false; }

// The drawing.
const edges = [], boxes = [];
{
  const columns = 1 + Math.max(0, ...data.drawn.map((box) => box.column));
  const rows = 1 + Math.max(0, ...data.drawn.map((box) => box.row));
  const heights = Array(columns).fill(0);
  data.drawn.forEach((box) => { heights[box.column] = Math.max(heights[box.column], box.row + 1); });
  const x = (box) => PAD + box.column * (WIDTH + GAP_X);
  const y = (box) => PAD + (box.row + (rows - heights[box.column]) / 2) * (HEIGHT + GAP_Y);
  const svg = draw("svg", { width: 2 * PAD + columns * (WIDTH + GAP_X) - GAP_X, height: 2 * PAD + rows * (HEIGHT + GAP_Y) - GAP_Y });
  data.drawn.forEach((box, to) => box.deps.forEach((from) => {
    const [x1, y1] = [x(data.drawn[from]) + WIDTH, y(data.drawn[from]) + HEIGHT / 2];
    const [x2, y2] = [x(box), y(box) + HEIGHT / 2];
    const bend = Math.max(GAP_X / 2, (x2 - x1) / 2);
    const path = draw("path", { class: "edge", d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` });
    edges.push({ from, to, path });
    svg.append(path);
  }));
  data.drawn.forEach((box, at) => {
    const many = box.members.length > 1;
    const group = draw("g", { class: worst(box.members), tabindex: "0", role: "button", transform: `translate(${x(box)} ${y(box)})` });
    group.append(draw("rect", { width: WIDTH, height: HEIGHT, rx: 6 }), draw("rect", { class: "flag", width: 5, height: HEIGHT, rx: 2 }));
    const text = draw("text", { x: 13, y: 19 });
    text.textContent = `${SIGN[worst(box.members)]} ${short(box.label)}${many ? ` ×${box.members.length}` : ""}`;
    const title = draw("title", {});
    title.textContent = box.label;
    group.append(text, title);
    act(group, () => many ? narrow(box) : choose(box.members[0]));
    boxes[at] = group;
    svg.append(group);
  });
  by("graph").append(svg);
  by("drawn").textContent = data.folded ? `${data.drawn.length} boxes for ${data.nodes.length} nodes` : "";
}

// The table holds every node, whatever the drawing folds.
const rows = data.nodes.map((node, id) => {
  const row = make("div", `row ${node.state}`);
  row.tabIndex = -1;
  row.setAttribute("role", "option");
  row.append(make("span", "state", `${SIGN[node.state] || ""} ${node.state}`), make("span", "", node.name),
    make("span", "dim", node.kind), make("span", "num", time(node.duration_ms)), make("span", "dim", node.why));
  act(row, () => choose(id));
  return row;
});
by("rows").append(...rows);
if (rows[0]) rows[0].tabIndex = 0;

// The timeline: each node as early as it could begin, the longest ones.
if (data.totalMs > 0) {
  const timed = data.nodes.map((_, id) => id).filter((id) => data.nodes[id].duration_ms > 0)
    .sort((a, b) => data.critical[b] - data.critical[a] || data.nodes[b].duration_ms - data.nodes[a].duration_ms)
    .slice(0, 40).sort((a, b) => data.startMs[a] - data.startMs[b] || a - b);
  by("total").textContent = `critical path ${time(data.totalMs)}; past durations, each node as early as it could begin`;
  timed.forEach((id) => {
    const node = data.nodes[id], part = 100 / data.totalMs;
    const bar = make("div", "bar"), svg = draw("svg", {});
    svg.append(draw("rect", { class: "track", width: "100%", height: 12, rx: 3 }), draw("rect", {
      class: data.critical[id] ? "work critical" : "work", x: `${data.startMs[id] * part}%`, height: 12, rx: 3,
      width: `${Math.max(0.3, node.duration_ms * part)}%` }));
    bar.tabIndex = 0;
    bar.append(make("span", "", node.name), svg, make("span", "num dim", time(node.duration_ms)));
    act(bar, () => choose(id));
    by("bars").append(bar);
  });
  by("time").hidden = false;
}

// Layers: what they weigh and take, and which modules their code is from.
if (data.layers.length) {
  const head = make("div", "row head");
  head.append(...["distribution", "arch", "file"].map((text) => make("span", "", text)),
    ...["zip", "since release", "first event", "memory"].map((text) => make("span", "num", text)));
  by("layer-rows").append(head);
  data.layers.forEach((layer) => {
    const row = make("div", "row");
    row.tabIndex = 0;
    row.append(make("span", "", layer.distribution), make("span", "", layer.arch), make("span", "dim", layer.file || "in the cache"),
      make("span", "num", mib(layer.size)),
      make("span", "num", layer.released ? `${more(layer.size - layer.released[0])} (${layer.released[1]})` : ""),
      make("span", "num", time(layer.init_ms)), make("span", "num", layer.memory == null ? "" : mib(layer.memory)));
    act(row, () => choose(layer.node));
    by("layer-rows").append(row);
    if (!layer.code.length) return;
    const most = layer.code[0][1], code = make("div", "code");
    layer.code.forEach(([module, bytes]) => {
      const bar = make("div", "bar"), svg = draw("svg", {});
      svg.append(draw("rect", { class: "track", width: "100%", height: 12, rx: 3 }),
        draw("rect", { class: "work", width: `${Math.max(0.3, 100 * bytes / most)}%`, height: 12, rx: 3 }));
      bar.append(make("span", "dim", module), svg, make("span", "num dim", mib(bytes)));
      code.append(bar);
    });
    by("layer-rows").append(code);
  });
  by("layers").hidden = false;
}

// Filters.
const counts = {};
data.nodes.forEach((node) => { counts[node.state] = (counts[node.state] || 0) + 1; });
ORDER.filter((state) => counts[state]).forEach((state) => {
  const button = make("button", state);
  button.append(make("span", "state", `${SIGN[state]} ${state}`), make("span", "dim", ` ${counts[state]}`));
  button.setAttribute("aria-pressed", "true");
  button.addEventListener("click", () => {
    if (!hiddenStates.delete(state)) hiddenStates.add(state);
    button.setAttribute("aria-pressed", String(!hiddenStates.has(state)));
    filter();
  });
  by("states").append(button);
});
function filter() {
  const words = by("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  data.nodes.forEach((node, id) => {
    visible[id] = !hiddenStates.has(node.state) && words.every((word) => needle[id].includes(word));
    rows[id].hidden = !visible[id];
    shown += visible[id];
  });
  data.drawn.forEach((box, at) => boxes[at].classList.toggle("off", !box.members.some((id) => visible[id])));
  by("count").textContent = shown === data.nodes.length ? `${shown}` : `${shown} of ${data.nodes.length}`;
}
function narrow(box) {
  by("search").value = data.nodes[box.members[0]].base === box.label ? box.label : data.nodes[box.members[0]].kind;
  filter();
  by("rows").scrollIntoView({ block: "start" });
}
by("search").addEventListener("input", filter);

// One node in full.
let chosen = -1;
function choose(id) {
  if (chosen >= 0) { rows[chosen].classList.remove("chosen"); boxes[boxOf[chosen]].classList.remove("chosen"); }
  chosen = id;
  const node = data.nodes[id], detail = by("detail"), box = boxOf[id];
  rows[id].classList.add("chosen");
  boxes[box].classList.add("chosen");
  edges.forEach((edge) => edge.path.classList.toggle("near", edge.from === box || edge.to === box));
  const state = make("span", `state ${node.state}`, `${SIGN[node.state] || ""} ${node.state}`);
  const line = make("p", "");
  line.append(state, ` · ${node.kind}${node.duration_ms == null ? "" : ` · ${time(node.duration_ms)}`}${data.critical[id] ? " · on the critical path" : ""}`);
  line.style.margin = "0";
  detail.replaceChildren(make("h2", "", node.name), line);
  const part = (title, text) => { if (text) detail.append(make("h3", "", title), make("pre", "", text)); };
  part("About", node.description);
  part("Reason", node.why);
  part("Command", node.command);
  part("Inputs", node.inputs.join("\n"));
  part("Outputs", node.outputs.join("\n"));
  const links = (title, ids) => {
    if (!ids.length) return;
    detail.append(make("h3", "", title));
    ids.slice(0, 100).forEach((other) => {
      const button = make("button", data.nodes[other].state, data.nodes[other].name);
      button.addEventListener("click", () => choose(other));
      detail.append(button, " ");
    });
    if (ids.length > 100) detail.append(make("span", "dim", `and ${ids.length - 100} more`));
  };
  links("Waits for", [...new Set(node.deps)]);
  links("Needed by", [...new Set(users[id])]);
  part("Last worked", node.ended);
  part("End of its log", node.log);
  try { history.replaceState(null, "", `#${encodeURIComponent(node.name)}`); } catch { /* a page from a file may refuse */ }
}
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && event.target !== by("search")) { event.preventDefault(); by("search").focus(); return; }
  if (event.key === "Escape") { by("search").value = ""; filter(); by("search").blur(); return; }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  event.preventDefault();
  const move = event.key === "ArrowDown" ? 1 : -1;
  const from = rows.indexOf(document.activeElement);
  let id = from < 0 ? (move > 0 ? 0 : rows.length - 1) : from + move;
  while (rows[id] && !visible[id]) id += move;
  if (rows[id]) rows[id].focus();
});
filter();
const linked = (() => { try { return decodeURIComponent(location.hash.slice(1)); } catch { return ""; } })();
const first = data.nodes.findIndex((node) => node.name === linked);
if (first >= 0) choose(first);
document.documentElement.dataset.ready = "true";
