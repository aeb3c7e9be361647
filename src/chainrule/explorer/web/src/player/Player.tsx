export function Player() {
  return <div class="player" />;
}
