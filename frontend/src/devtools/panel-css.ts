/** Dark on any page, so that it is not taken for a part of it. */
export const CSS = `
:host { display: flex; flex-direction: column; font: 12px/1.55 ui-monospace, Menlo, Consolas, monospace; color: #d9dce4; background: #15171c; color-scheme: dark; }
* { box-sizing: border-box; }
header { display: flex; gap: 8px; align-items: center; padding: 6px 12px; border-block-end: 1px solid #343946; }
strong { flex: 1; font-weight: 600; }
button { font: inherit; padding: 3px 10px; color: inherit; background: #262a34; border: 1px solid #414857; border-radius: 6px; cursor: pointer; }
button:hover { background: #343946; }
:focus-visible { outline: 2px solid #9db4ff; outline-offset: 1px; }
.body { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); flex: 1; min-height: 0; }
.body > * { min-height: 0; overflow: auto; padding: 0 12px 12px; }
.body > * + * { border-inline-start: 1px solid #343946; }
h2 { margin: 10px 0 4px; font-size: 12px; font-weight: 600; color: #a0a8b6; }
p, pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
pre { padding: 4px 8px; background: #0f1115; border-radius: 4px; }
summary { padding: 1px 4px; border-radius: 4px; cursor: pointer; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
summary:hover { background: #22262f; }
time { color: #8d96a6; }
summary.request, summary.response { color: #9db4ff; }
summary.failure, summary.retry { color: #ffb27a; }
summary.frame { color: #8fd6a8; }
.request { margin-block-end: 10px; padding-block-start: 6px; border-block-start: 1px solid #2a2f3a; }
.bar { display: grid; grid-template-columns: 24ch 1fr; gap: 8px; align-items: center; }
.chart { position: relative; height: 8px; background: #22262f; border-radius: 2px; }
.chart i { position: absolute; inset-block: 0; min-width: 2px; background: #7c9bff; border-radius: 2px; }
.chart b { position: absolute; inset-block: -2px; width: 1px; background: #a0a8b6; }
.late { color: #ffb3ad; }
.late i { background: #ff8078; }
@media (max-width: 640px) {
  .body { display: block; overflow: auto; }
  .body > * + * { border: 0; }
}
`;
