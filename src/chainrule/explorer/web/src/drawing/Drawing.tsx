export function Drawing() {
  return <div class="drawing" />;
}
