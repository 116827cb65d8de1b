// Filters the ledger of claims, the list of runs and the advisor. Without scripts their forms stay hidden and everything
// is shown.
document.addEventListener("DOMContentLoaded", () => {
  const filter = (box, noun, wanted) => {
    const form = box.querySelector(".lifroles-filter");
    const items = [...box.querySelectorAll(".lifroles-item")];
    form.addEventListener("input", () => {
      const test = wanted(form);
      for (const item of items) item.hidden = !test(item);
      const shown = items.filter((item) => !item.hidden).length;
      form.querySelector("output").textContent = `${shown} of ${items.length} ${noun}`;
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
  };
  const chosenAndFound = (form) => {
    const chosen = [...form.querySelectorAll("select")];
    const searched = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    return (item) =>
      chosen.every((field) => !field.value || item.dataset[field.name] === field.value) &&
      searched.every((word) => item.textContent.toLowerCase().includes(word));
  };
  for (const ledger of document.querySelectorAll(".lifroles-ledger")) filter(ledger, "claims", chosenAndFound);
  for (const index of document.querySelectorAll(".lifroles-runs")) filter(index, "runs", chosenAndFound);
  for (const advisor of document.querySelectorAll(".lifroles-advisor")) {
    filter(advisor, "suggestions", (form) => {
      const needs = new FormData(form).getAll("need");
      return (suggestion) => needs.length === 0 || needs.includes(suggestion.dataset.need);
    });
  }
});

// Saves a figure as it is drawn, black on white: as SVG, or as PNG at three times its size.
document.addEventListener("DOMContentLoaded", () => {
  const standalone = (svg) => {
    const copy = svg.cloneNode(true);
    const box = svg.viewBox.baseVal;
    const page = getComputedStyle(svg);
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    copy.setAttribute("xmlns:xlink", "http://www.w3.org/1999/xlink");
    copy.setAttribute("width", box.width);
    copy.setAttribute("height", box.height);
    copy.setAttribute("style", `color: #000; background: #fff; --pst-color-background: #fff; font-family: ${page.fontFamily}`);
    return [new XMLSerializer().serializeToString(copy), box];
  };
  const save = (blob, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const asSvg = (svg, name) => save(new Blob([standalone(svg)[0]], { type: "image/svg+xml" }), `${name}.svg`);
  const asPng = (svg, name) => {
    const [text, box] = standalone(svg);
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [3 * box.width, 3 * box.height];
      const context = canvas.getContext("2d");
      context.fillStyle = "#fff";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => save(blob, `${name}.png`));
    };
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  };
  const page = location.pathname.split("/").pop().replace(/\.html$/, "");
  document.querySelectorAll("figure.lifroles").forEach((figure, index) => {
    const svg = figure.querySelector(":scope > svg");
    const card = figure.querySelector(".lifroles-card");
    if (!svg || !card) return;
    const offered = card.querySelector("a[download]");
    const name = offered ? offered.download.replace(/\.csv$/, "") : `${page}_figure_${index + 1}`;
    const line = document.createElement("p");
    line.className = "lifroles-save";
    line.append("Figure: ");
    for (const [label, write] of [["SVG", asSvg], ["PNG", asPng]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      button.setAttribute("aria-label", `Save this figure as ${label}`);
      button.addEventListener("click", () => write(svg, name));
      line.append(button, " ");
    }
    card.querySelector("p").after(line);
  });
});

// docutils gives the entries of a bibliography a role that a list may not hold; a screen reader would not find them.
document.addEventListener("DOMContentLoaded", () => {
  for (const entry of document.querySelectorAll(".citation-list > .citation")) entry.setAttribute("role", "listitem");
});
