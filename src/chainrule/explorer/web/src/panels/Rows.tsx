export function Rows() {
  return (
    <section class="panel" aria-labelledby="panel-rows">
      <h2 id="panel-rows">Rows by gradient</h2>
    </section>
  );
}
