// Fig. 7 of section 4.2, to move about in: draws the points that the page carries, and names the one pointed at.
document.addEventListener("DOMContentLoaded", () => {
  // Matplotlib's ten colours for classes, as in the figure above.
  const COLOURS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"];
  const REACH = 12; // pixels from the pointer within which a point counts as meant

  /** Return base64 of little-endian integers as a typed array. */
  const unpack = (text, Kind) => new Kind(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);

  const median = (some, key) => some.map((p) => p[key]).sort((a, b) => a - b)[some.length >> 1];

  for (const box of document.querySelectorAll(".lifroles-explorer")) {
    const form = box.querySelector("form");
    const canvas = box.querySelector("canvas");
    const output = box.querySelector("output");
    const { models } = JSON.parse(box.querySelector("script").textContent);
    let points = [];
    let chosen = null;

    const read = () => {
      const model = models[form.elements.model.value];
      for (const option of form.elements.layout.options) option.disabled = !(option.value in model.layouts);
      if (form.elements.layout.selectedOptions[0].disabled) form.elements.layout.selectedIndex = 0;
      const places = unpack(model.layouts[form.elements.layout.value], Uint16Array);
      const [labels, predictions] = [model.labels, model.predictions].map((text) => unpack(text, Uint8Array));
      const samples = unpack(model.samples, Uint32Array);
      points = Array.from(labels, (label, i) => ({
        x: places[2 * i], y: places[2 * i + 1], label, taken: predictions[i], sample: samples[i],
      })).filter((p) => !form.elements.wrong.checked || p.label !== p.taken);
      chosen = null;
    };

    const draw = () => {
      const scale = window.devicePixelRatio || 1;
      const [width, height] = [canvas.clientWidth, canvas.clientHeight];
      canvas.width = width * scale;
      canvas.height = height * scale;
      const unit = Math.min(width, height) - 2 * REACH;
      const ink = getComputedStyle(canvas).color;
      const pen = canvas.getContext("2d");
      pen.scale(scale, scale);
      const digits = COLOURS.map(() => []);
      for (const p of points) {
        p.px = (width - unit) / 2 + (p.x / 4095) * unit;
        p.py = REACH + (p.y / 4095) * unit;
        pen.fillStyle = COLOURS[p.label];
        pen.beginPath();
        pen.arc(p.px, p.py, 2.2, 0, 2 * Math.PI);
        pen.fill();
        digits[p.label].push(p);
        if (p.label !== p.taken || p === chosen) {
          pen.strokeStyle = ink;
          pen.lineWidth = p === chosen ? 2 : 0.8;
          pen.beginPath();
          pen.arc(p.px, p.py, p === chosen ? 7 : 3.4, 0, 2 * Math.PI);
          pen.stroke();
        }
      }
      pen.fillStyle = ink;
      pen.font = "bold 15px sans-serif";
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      digits.forEach((some, digit) => some.length && pen.fillText(digit, median(some, "px"), median(some, "py")));
    };

    const choose = (point) => {
      if (point === chosen) return;
      chosen = point;
      output.textContent = point
        ? `Test recording ${point.sample}: digit ${point.label}, ` +
          (point.label === point.taken ? "recognised" : `taken for ${point.taken}`)
        : `${points.length} recordings, ${points.filter((p) => p.label !== p.taken).length} of them taken for another digit (ringed)`;
      draw();
    };

    canvas.addEventListener("pointermove", (event) => {
      const near = { distance: REACH, point: null };
      for (const p of points) {
        const distance = Math.hypot(p.px - event.offsetX, p.py - event.offsetY);
        if (distance < near.distance) Object.assign(near, { distance, point: p });
      }
      choose(near.point);
    });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const wrong = points.filter((p) => p.label !== p.taken);
      if (wrong.length) choose(wrong[(wrong.indexOf(chosen) + step + wrong.length) % wrong.length]);
    });
    const renew = () => {
      read();
      chosen = undefined; // so that the count is written also where nothing was chosen before
      choose(null);
    };
    form.addEventListener("input", renew);
    form.addEventListener("submit", (event) => event.preventDefault());
    new ResizeObserver(draw).observe(canvas);
    // The reader may change the theme, and with it the colour of the rings.
    new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    form.hidden = false;
    renew();
  }
});
