export function Training() {
  return (
    <section class="panel" aria-labelledby="panel-training">
      <h2 id="panel-training">Training</h2>
    </section>
  );
}
