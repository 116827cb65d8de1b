// The neuron of section 3 in a browser: Eqs. (3) to (11) for one neuron, every variant on one input.

/**
 * Return the trace of one neuron.
 *
 * x: input current of every step. k_tau: leakage coefficient. u_th: threshold. reset: "hard", "soft" or "none".
 * v: weight of the neuron's own spike of the step before (0: without recurrence).
 * Returns u, the potential before reset, and o, the spike (0 or 1), of every step.
 */
function simulate(x, { k_tau, u_th, reset = "hard", v = 0 }) {
  const u = [];
  const o = [];
  let kept = 0;
  for (const current of x) {
    const fired = o.length ? o[o.length - 1] : 0;
    const potential = k_tau * kept + current + v * fired;
    const spike = potential - u_th >= 0 ? 1 : 0;
    kept = reset === "hard" ? potential * (1 - spike) : reset === "soft" ? potential - u_th * spike : potential;
    u.push(potential);
    o.push(spike);
  }
  return { u, o };
}

/** Return the current of T steps for a pattern of the given strength; "random" is the same for the same seed. */
function pattern(kind, strength, T, seed = 1) {
  let state = seed;
  const random = () => (state = (1103515245 * state + 12345) % 2147483648) / 2147483648;
  return Array.from({ length: T }, (_, t) => {
    if (kind === "constant") return strength;
    if (kind === "pulses") return t % 12 === 0 ? 3 * strength : 0;
    if (kind === "two bursts") return t < 8 || t >= T - 8 ? strength : 0;
    return random() < 0.4 ? 2 * strength : 0;
  });
}

/** Return the neurons that are shown, by name. */
function variants({ k_tau, u_th, reset, v }) {
  const base = { k_tau, u_th, reset };
  return {
    Baseline: base,
    "Without leakage": { ...base, k_tau: 1 },
    "Complete leakage": { ...base, k_tau: 0 },
    "Without reset": { ...base, reset: "none" },
    "With recurrence": { ...base, v },
  };
}

const COLOURS = ["#808080", "#E69F00", "#0072B2", "#009E73", "#D55E00"];

/** Return one neuron's trace as an SVG drawing. */
function draw(name, colour, trace, x, u_th, low, high) {
  const [width, height, ticks] = [360, 70, 12];
  const across = (t) => (width * (t + 0.5)) / x.length;
  const up = (value) => ticks + (height * (high - value)) / (high - low || 1);
  const line = trace.u.map((value, t) => `${t ? "L" : "M"}${across(t).toFixed(1)} ${up(value).toFixed(1)}`).join("");
  const spikes = trace.o.map((spike, t) => (spike ? `M${across(t).toFixed(1)} 1v8` : "")).join("");
  const count = trace.o.reduce((sum, spike) => sum + spike, 0);
  const said = `${name}: ${count} ${count === 1 ? "spike" : "spikes"} in ${x.length} steps`;
  return `<figure><figcaption>${said}</figcaption>
    <svg viewBox="0 0 ${width} ${height + ticks + 2}" role="img" aria-label="${said}">
      <path d="M0 ${up(0).toFixed(1)}H${width}" stroke="currentColor" opacity="0.35"/>
      <path d="M0 ${up(u_th).toFixed(1)}H${width}" stroke="currentColor" stroke-dasharray="4 3"/>
      <path d="${line}" fill="none" stroke="${colour}" stroke-width="1.8"/>
      <path d="${spikes}" stroke="${colour}" stroke-width="2"/>
    </svg></figure>`;
}

document.addEventListener("DOMContentLoaded", () => {
  const box = document.querySelector(".lifroles-playground");
  if (!box) return;
  const form = box.querySelector("form");
  const update = () => {
    const field = (name) => Number(form.elements[name].value);
    for (const input of form.querySelectorAll("input[type=range]")) {
      input.nextElementSibling.textContent = Number(input.value).toFixed(2).replace(/\.?0+$/, "");
    }
    const x = pattern(form.elements.pattern.value, field("strength"), field("T"), field("seed"));
    const u_th = field("u_th");
    const shown = variants({ k_tau: field("k_tau"), u_th, reset: form.elements.reset.value, v: field("v") });
    const traces = Object.entries(shown).map(([name, neuron]) => [name, simulate(x, neuron)]);
    // One scale for all, so that heights can be compared.
    const values = traces.flatMap(([, trace]) => trace.u);
    const [low, high] = [Math.min(0, ...values), Math.max(u_th, ...values)];
    box.querySelector(".lifroles-traces").innerHTML = traces
      .map(([name, trace], i) => draw(name, COLOURS[i], trace, x, u_th, low, high))
      .join("");
  };
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(update));
  update();
});
