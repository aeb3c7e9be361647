export function HeatMap() {
  return (
    <section class="panel" aria-labelledby="panel-heatmap">
      <h2 id="panel-heatmap">Input gradient</h2>
    </section>
  );
}
