// Plotly, fetched when the first chart is drawn; colours follow the page's, also when light turns to dark.

const SCRIPT = "/assets/plotly-basic.min.js";
const drawn = new Map(); // element → what was last drawn there
let loading = null;

/**
 * Draws a chart. `traces` and `layout` are functions of the colours {text, soft, line, up, down, series}, and `layout` of
 * the width in pixels, too. `label` says in words what a person who does not see it should know.
 */
export async function draw(element, label, traces, layout = () => ({})) {
  element.hidden = false; // before it is drawn: what is hidden has no width
  drawn.set(element, { traces, layout });
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", label);
  await plotlyLoaded();
  await paint(element);
  widths.observe(element);
}

/** Takes a chart away, where there is nothing to draw any more. */
export function clear(element) {
  widths.unobserve(element);
  if (drawn.delete(element)) window.Plotly?.purge(element);
  element.replaceChildren();
  element.removeAttribute("role");
  element.removeAttribute("aria-label");
  element.hidden = true;
}

function plotlyLoaded() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = SCRIPT;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      loading = null;
      reject(new Error("The charts can't be drawn: Plotly's script did not load."));
    };
    document.head.append(script);
  });
  return loading;
}

async function paint(element) {
  const what = drawn.get(element);
  if (!what) return;
  const colours = currentColours();
  const axis = { gridcolor: colours.line, zerolinecolor: colours.line, linecolor: colours.line, automargin: true, fixedrange: true };
  const given = what.layout(colours, element.clientWidth);
  const layout = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: colours.text, size: 13, family: "system-ui, sans-serif" },
    bargap: 0.5, bargroupgap: 0.1,
    margin: { l: 48, r: 12, t: 12, b: 40 }, width: element.clientWidth, height: 260, dragmode: false,
    legend: { orientation: "h", traceorder: "normal", y: 1.02, yanchor: "bottom", x: 0 }, hoverlabel: { namelength: -1 },
    ...given, xaxis: { ...axis, ...given.xaxis }, yaxis: { ...axis, ...given.yaxis },
  };
  await window.Plotly.react(element, what.traces(colours), layout, { displayModeBar: false });
}

function currentColours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  const dark = darkColours.matches;
  return {
    text: of("text"), soft: of("soft"), line: of("line"), up: of("up"), down: of("down"),
    // Okabe and Ito's palette for colour-blind readers, as in the reports; the blue is lighter on dark.
    series: dark ? ["#56b4e9", "#e69f00", "#2fc79b", "#cc79a7"] : ["#0072b2", "#d55e00", "#009e73", "#cc79a7"],
  };
}

const darkColours = matchMedia("(prefers-color-scheme: dark)");
darkColours.addEventListener("change", () => {
  if (window.Plotly) for (const element of drawn.keys()) paint(element);
});

const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.clientWidth && drawn.has(target) && target.layout?.width !== target.clientWidth) paint(target);
  }
});
