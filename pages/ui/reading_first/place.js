// A plotly figure tells of clicks on its points alone. This reports where on the image of `data.chart` a person
// clicked, in the figure's own coordinates; a drag (panning) is no click.
export default function ({ data, setTriggerValue }) {
  let start = null;

  const plotUnder = (event) => {
    const plot = document.querySelector(`.st-key-${data.chart} .js-plotly-plot`);
    return plot && plot._fullLayout && plot.contains(event.target) ? plot : null;
  };
  const down = (event) => {
    start = plotUnder(event) ? [event.clientX, event.clientY] : null;
  };
  const up = (event) => {
    const plot = document.querySelector(`.st-key-${data.chart} .js-plotly-plot`);
    const from = start;
    start = null;
    if (!plot || !from || Math.hypot(event.clientX - from[0], event.clientY - from[1]) > 4) return;
    const { xaxis, yaxis } = plot._fullLayout;
    const box = plot.getBoundingClientRect();
    const column = Math.floor(xaxis.p2d(event.clientX - box.left - xaxis._offset));
    const row = Math.floor(yaxis.p2d(event.clientY - box.top - yaxis._offset));
    if (row >= 0 && column >= 0 && row < data.height && column < data.width) {
      setTriggerValue("place", { row, column });
    }
  };

  document.addEventListener("pointerdown", down, true);
  document.addEventListener("pointerup", up, true);
  return () => {
    document.removeEventListener("pointerdown", down, true);
    document.removeEventListener("pointerup", up, true);
  };
}
