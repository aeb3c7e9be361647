export function DerivationPanel() {
  return <div class="derivation" />;
}
