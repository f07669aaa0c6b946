// Streamlit draws a changed plotly figure anew, and the new one does not know where the person had zoomed to.
// This watches the figure of `data.chart` and reports its ranges, so that Python can draw the next one there.
export default function ({ data, setStateValue }) {
  let watched = null;
  let timer = null;

  const report = () => {
    const { xaxis, yaxis } = watched.layout;
    const whole = xaxis.autorange || yaxis.autorange;
    const view = whole ? null : { x: [...xaxis.range], y: [...yaxis.range] };
    setStateValue("view", { of: data.of, view });
  };
  const watch = () => {
    const plot = document.querySelector(`.st-key-${data.chart} .js-plotly-plot`);
    if (!plot || !plot.on || plot === watched) return;
    watched = plot;
    plot.on("plotly_relayout", () => {
      clearTimeout(timer);
      timer = setTimeout(report, 250);
    });
  };

  const observer = new MutationObserver(watch);
  observer.observe(document.body, { childList: true, subtree: true });
  watch();
  return () => {
    observer.disconnect();
    clearTimeout(timer);
  };
}
