export function Decision() {
  return (
    <section class="panel" aria-labelledby="panel-decision">
      <h2 id="panel-decision">Decision map</h2>
    </section>
  );
}
