// src/devtools/dom.ts
function e(e, t, ...n) {
	let r = document.createElement(e);
	for (let [e, n] of Object.entries(t)) r.setAttribute(e, n);
	return r.append(...n), r;
}
// src/devtools/lines.ts
function t(e) {
	switch (e.type) {
		case "request": return `${e.method} ${e.path}${e.cursor ? ` after ${e.cursor}` : ""}`;
		case "response": return String(e.status);
		case "failure": return e.code;
		case "accepted": return i(e.requestId);
		case "frame": return `${e.id ?? "notice"} ${e.event}`;
		case "retry": return `${e.reason}, try ${e.failures}, in ${Math.round(e.delay)} ms`;
		case "state": return e.state;
	}
}
function n(e) {
	if (e.type === "frame") return `${e.id === null ? "" : `id: ${e.id}\n`}event: ${e.event}\ndata: ${e.data}`;
	let { at: t, type: n, ...r } = e;
	return JSON.stringify(r, null, 1);
}
function r(e) {
	return new Date(e).toISOString().slice(11, 23);
}
function i(e) {
	return e.slice(-12);
}
// src/devtools/panel-css.ts
var a = {
	accepted: 500,
	connected: 1e3,
	"first chunk": 3e3,
	ended: null
};
function o({ at: e, budget: t }) {
	return t !== null && e > t;
}
var s = /* @__PURE__ */ new Set([
	"connecting",
	"open",
	"waiting",
	"polling",
	"cancelling"
]);
function c({ state: e }) {
	return s.has(e);
}
function l(e) {
	let t = /* @__PURE__ */ new Map();
	for (let n of e) {
		if (!("requestId" in n) || n.requestId === null) continue;
		let { requestId: e } = n, r = t.get(e) ?? u(e, n);
		t.set(e, r), d(r, n);
	}
	return [...t.values()];
}
function u(e, t) {
	return {
		requestId: e,
		began: t.type === "accepted" ? t.at - t.took : t.at,
		state: "",
		steps: [],
		frames: 0,
		retries: 0
	};
}
function d(e, t) {
	let n = (n) => {
		e.steps.some((e) => e.name === n) || e.steps.push({
			name: n,
			at: t.at - e.began,
			budget: a[n]
		});
	};
	t.type === "accepted" && n("accepted"), t.type === "retry" && (e.retries += 1), t.type === "state" && (e.state = t.state, (t.state === "open" || t.state === "polling") && n("connected"), [
		"ended",
		"failed",
		"detached"
	].includes(t.state) && n("ended")), t.type === "frame" && (e.frames += 1, t.event === "response_chunk" && n("first chunk"));
}
// src/devtools/panel.ts
var f = 300, p = 250;
function m(t, n, r = {}) {
	let a = t.shadowRoot ?? t.attachShadow({ mode: "open" }), o = new CSSStyleSheet();
	o.replaceSync("\n:host { display: flex; flex-direction: column; font: 12px/1.55 ui-monospace, Menlo, Consolas, monospace; color: #d9dce4; background: #15171c; color-scheme: dark; }\n* { box-sizing: border-box; }\nheader { display: flex; gap: 8px; align-items: center; padding: 6px 12px; border-block-end: 1px solid #343946; }\nstrong { flex: 1; font-weight: 600; }\nbutton { font: inherit; padding: 3px 10px; color: inherit; background: #262a34; border: 1px solid #414857; border-radius: 6px; cursor: pointer; }\nbutton:hover { background: #343946; }\n:focus-visible { outline: 2px solid #9db4ff; outline-offset: 1px; }\n.body { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); flex: 1; min-height: 0; }\n.body > * { min-height: 0; overflow: auto; padding: 0 12px 12px; }\n.body > * + * { border-inline-start: 1px solid #343946; }\nh2 { margin: 10px 0 4px; font-size: 12px; font-weight: 600; color: #a0a8b6; }\np, pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }\npre { padding: 4px 8px; background: #0f1115; border-radius: 4px; }\nsummary { padding: 1px 4px; border-radius: 4px; cursor: pointer; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }\nsummary:hover { background: #22262f; }\ntime { color: #8d96a6; }\nsummary.request, summary.response { color: #9db4ff; }\nsummary.failure, summary.retry { color: #ffb27a; }\nsummary.frame { color: #8fd6a8; }\n.request { margin-block-end: 10px; padding-block-start: 6px; border-block-start: 1px solid #2a2f3a; }\n.bar { display: grid; grid-template-columns: 24ch 1fr; gap: 8px; align-items: center; }\n.chart { position: relative; height: 8px; background: #22262f; border-radius: 2px; }\n.chart i { position: absolute; inset-block: 0; min-width: 2px; background: #7c9bff; border-radius: 2px; }\n.chart b { position: absolute; inset-block: -2px; width: 1px; background: #a0a8b6; }\n.late { color: #ffb3ad; }\n.late i { background: #ff8078; }\n@media (max-width: 640px) {\n  .body { display: block; overflow: auto; }\n  .body > * + * { border: 0; }\n}\n"), a.adoptedStyleSheets = [o];
	let s = g("Connections now: 0"), u = g("Requests"), d = new v(), f = e("div", { class: "body" }, e("div", {}, s, u), d.section);
	a.replaceChildren(h(n, r), f);
	let m, y = () => {
		m = void 0;
		let t = l(n.entries), r = t.filter(c).map(({ requestId: e, state: t }) => `${i(e)} ${t}`);
		_(s, `Connections now: ${r.length}`, r.map((t) => e("p", {}, t))), _(u, "Requests", t.toReversed().map(b)), d.draw(n.entries);
	}, x = n.subscribe(() => {
		m ??= setTimeout(y, p);
	});
	return y(), () => {
		clearTimeout(m), x(), a.replaceChildren();
	};
}
function h(t, { onClose: n }) {
	let r = (t, n) => {
		let r = e("button", { type: "button" }, t);
		return r.addEventListener("click", n), r;
	};
	return e("header", {}, e("strong", {}, "Assistant devtools"), r("Clear", () => t.clear()), r("Export (redacted)", () => S(t.export())), ...n ? [r("Close", n)] : []);
}
function g(t) {
	return e("section", { "aria-label": t }, e("h2", {}, t));
}
function _(t, n, r) {
	t.setAttribute("aria-label", n), t.replaceChildren(e("h2", {}, n), ...r);
}
var v = class {
	section = g("Flow");
	#e = e("div", {});
	#t;
	constructor() {
		this.section.append(this.#e);
	}
	draw(e) {
		let t = this.#t ? e.lastIndexOf(this.#t) : -1;
		t < 0 && this.#e.replaceChildren();
		let n = e.slice(Math.max(t + 1, e.length - f));
		for (this.#e.prepend(...n.toReversed().map(y)); this.#e.childElementCount > f;) this.#e.lastElementChild?.remove();
		this.#t = e.at(-1);
	}
};
function y(i) {
	let a = e("time", {}, r(i.at));
	return e("details", {}, e("summary", { class: i.type }, a, ` ${i.type} ${t(i)}`), e("pre", {}, n(i)));
}
function b(t) {
	let { steps: n, frames: r, retries: a, requestId: o, state: s } = t, c = Math.max(1, ...n.flatMap(({ at: e, budget: t }) => [e, t ?? 0])), l = `${i(o)} ${s}, ${r} frames, ${a} retries`, u = n.map((e, t) => x(e, n[t - 1]?.at ?? 0, c));
	return e("div", { class: "request" }, e("p", {}, l), ...u);
}
function x(t, n, r) {
	let i = (e) => `${e / r * 100}%`, a = t.budget === null ? "" : ` of ${t.budget}`, s = e("i", {});
	s.style.insetInlineStart = i(n), s.style.inlineSize = i(Math.max(0, t.at - n));
	let c = e("b", {});
	c.hidden = t.budget === null, c.style.insetInlineStart = i(t.budget ?? 0);
	let l = `${t.name} ${Math.round(t.at)}${a} ms`, u = o(t), d = e("div", {
		class: "chart",
		"aria-hidden": "true"
	}, s, c);
	return e("div", { class: u ? "bar late" : "bar" }, e("span", {}, l), d);
}
function S(t) {
	let n = URL.createObjectURL(new Blob([t], { type: "application/json" }));
	e("a", {
		href: n,
		download: "assistant-trace.json"
	}).click(), URL.revokeObjectURL(n);
}
// src/devtools/redact.ts
var C = /* @__PURE__ */ new Set([
	"text",
	"args",
	"value",
	"title",
	"url",
	"detail",
	"prompt",
	"content",
	"claim"
]), w = /([?&]track_id=)[^&]*/g;
function T(e) {
	return e.type === "request" ? {
		...e,
		path: e.path.replace(w, "$1[redacted]")
	} : e.type === "failure" ? {
		...e,
		message: D(e.message)
	} : e.type === "frame" ? {
		...e,
		data: E(e.data)
	} : e;
}
function E(e) {
	try {
		return JSON.stringify(JSON.parse(e), (e, t) => C.has(e) ? D(t) : t);
	} catch {
		return D(e);
	}
}
function D(e) {
	return `[${(typeof e == "string" ? e : JSON.stringify(e) ?? "").length} characters]`;
}
// src/devtools/recorder.ts
var O = 5e3, k = class {
	limit;
	#e = [];
	#t = /* @__PURE__ */ new Set();
	constructor(e = O) {
		this.limit = e;
	}
	hooks = { onTrace: (e) => {
		this.#e.push(e), this.#e.length > this.limit * 1.2 && (this.#e = this.#e.slice(-this.limit));
		for (let e of this.#t) e();
	} };
	get entries() {
		return this.#e;
	}
	subscribe(e) {
		return this.#t.add(e), () => this.#t.delete(e);
	}
	clear() {
		this.#e = [];
		for (let e of this.#t) e();
	}
	export() {
		return JSON.stringify(this.#e.map(T), null, 1);
	}
};
// src/devtools/dock.ts
function A(t = []) {
	let n = new k();
	for (let e of t) n.hooks.onTrace(e);
	let r = e("div", { "data-assistant-devtools": "" });
	Object.assign(r.style, {
		position: "fixed",
		inset: "auto 0 0",
		height: "42vh",
		zIndex: "2147483000"
	});
	let i = () => {
		r.style.display = r.style.display === "none" ? "" : "none";
	};
	return m(r, n, { onClose: i }), document.body.append(r), {
		hooks: n.hooks,
		toggle: i
	};
}
export { k as Recorder, o as isLate, c as isLive, m as mountPanel, A as openDevtools, l as timelinesOf };
