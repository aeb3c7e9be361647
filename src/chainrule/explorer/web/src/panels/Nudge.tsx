export function Nudge() {
  return (
    <section class="panel" aria-labelledby="panel-nudge">
      <h2 id="panel-nudge">Nudge</h2>
    </section>
  );
}
