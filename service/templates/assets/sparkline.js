// A deal's probability over time as a small line, with the same in words for who does not see it.

import { percent } from "./page.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const WIDTH = 96;
const HEIGHT = 28;
const MARGIN = 4;

/** points: {probability}, the oldest first, at least one. The height is 0 to 100 %, so that lines can be compared. */
export function sparkline(points) {
  const places = points.map(({ probability }, n) => [x(n, points.length), MARGIN + (1 - probability) * (HEIGHT - 2 * MARGIN)]);
  const side = points.at(-1).probability >= points[0].probability ? "up" : "down";
  const svg = element("svg", { class: `sparkline ${side}`, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img", "aria-label": inWords(points) });
  const middle = HEIGHT / 2;
  svg.append(element("line", { class: "half", x1: 0, x2: WIDTH, y1: middle, y2: middle }));
  if (places.length > 1) svg.append(element("polyline", { points: places.map((place) => place.map((one) => one.toFixed(1)).join(",")).join(" ") }));
  const [lastX, lastY] = places.at(-1);
  svg.append(element("circle", { cx: lastX, cy: lastY, r: 3 }));
  return svg;
}

export function inWords(points) {
  if (points.length === 1) return `${percent(points[0].probability)} after its only conversation`;
  const values = points.map(({ probability }) => probability);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${points.length} conversations: from ${percent(values[0])} to ${percent(values.at(-1))}, between ${percent(low)} and ${percent(high)}`;
}

function x(place, count) {
  return count === 1 ? WIDTH - MARGIN : MARGIN + (place * (WIDTH - 2 * MARGIN)) / (count - 1);
}

function element(tag, attributes) {
  const made = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
