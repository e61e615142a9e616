//! How pages look. Everything stands in the file itself.

/// The style sheet.
pub const CSS: &str = r#"
:root { --text: #20242a; --quiet: #606770; --line: #dfe3e8; --soft: #f6f7f9;
  --pass: #00694d; --pass-soft: #e3f4ee; --fail: #a84200; --fail-soft: #fdeadf;
  --inconclusive: #7a5b00; --inconclusive-soft: #fbf2d9; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1264px; padding: 32px; color: var(--text); background: #fff;
  font: 15px/1.55 "DejaVu Sans", Verdana, system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 44px 0 10px; padding-top: 14px; border-top: 1px solid var(--line); }
h3 { font-size: 15px; margin: 26px 0 8px; }
p { margin: 8px 0; max-width: 90ch; }
.quiet { color: var(--quiet); font-size: 13px; }
.verdict { margin: 22px 0 8px; padding: 18px 22px; border-left: 8px solid; border-radius: 4px; }
.verdict b { font-size: 22px; text-transform: uppercase; letter-spacing: .04em; }
.verdict p { margin: 4px 0 0; font-size: 17px; }
.verdict ul { margin: 8px 0 0; padding-left: 20px; }
.verdict.pass { color: var(--pass); background: var(--pass-soft); }
.verdict.fail { color: var(--fail); background: var(--fail-soft); }
.verdict.inconclusive { color: var(--inconclusive); background: var(--inconclusive-soft); }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0 0; }
.tile { flex: 1 1 150px; border: 1px solid var(--line); border-radius: 4px; padding: 12px 16px; }
.tile b { display: block; font-size: 22px; font-variant-numeric: tabular-nums; }
.tile span { color: var(--quiet); font-size: 13px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 8px 0; font-size: 14px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--quiet); border-bottom: 2px solid var(--line); }
th, td { padding: 6px 18px 6px 0; vertical-align: top; }
td { border-bottom: 1px solid var(--line); }
.n { text-align: right; white-space: nowrap; }
tr.all td { font-weight: 600; }
.mark { font-weight: 700; white-space: nowrap; }
.mark.pass { color: var(--pass); } .mark.fail { color: var(--fail); } .mark.inconclusive { color: var(--inconclusive); }
code, pre { font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 13px; }
pre { background: var(--soft); padding: 14px 18px; border-radius: 4px; overflow-x: auto; line-height: 1.45; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; font-size: 14px; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
ul.examples { margin: 4px 0 12px; padding-left: 20px; font-size: 13px; overflow-wrap: anywhere; }
a { color: #00689f; }
details { margin: 8px 0; font-size: 14px; } summary { cursor: pointer; color: var(--quiet); }
.warning { margin: 22px 0 8px; padding: 14px 22px; border-left: 8px solid; border-radius: 4px;
  color: var(--inconclusive); background: var(--inconclusive-soft); }
.warning p { margin: 0; } .warning ul { margin: 6px 0 0; padding-left: 20px; overflow-wrap: anywhere; }
table.facts td { overflow-wrap: anywhere; } table.facts td:first-child { white-space: nowrap; }
tr.group th { color: var(--text); padding-top: 18px; }
.swatch { display: inline-block; width: 22px; height: 4px; margin-right: 8px; vertical-align: middle; }
figure { margin: 22px 0 34px; } figure svg { display: block; width: 100%; height: auto; }
figcaption { color: var(--quiet); font-size: 13px; margin-left: 6%; }
@media print { body { padding: 0; } figure, table, .verdict { break-inside: avoid; } }
"#;

/// Browsers are told to fetch nothing and to run nothing.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
