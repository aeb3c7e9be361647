/** The page: header, the drawing at the left, the derivation at the right, panels below. */

import { Banner } from "./Banner";
import { DerivationPanel } from "./derivation/DerivationPanel";
import { Drawing } from "./drawing/Drawing";
import { Header } from "./Header";
import { Decision } from "./panels/Decision";
import { HeatMap } from "./panels/HeatMap";
import { Nudge } from "./panels/Nudge";
import { Open } from "./panels/Open";
import { Rows } from "./panels/Rows";
import { Training } from "./panels/Training";
import { Player } from "./player/Player";
import { RowBar } from "./RowBar";
import { data, network, openDialog, state } from "./store";

function Work() {
  return (
    <>
      <RowBar />
      <div class="work">
        <section class="work-drawing" aria-label="Network">
          <Drawing />
          <Player />
        </section>
        <section class="work-derivation" aria-label="Derivation">
          <DerivationPanel />
        </section>
      </div>
      <div class="panels">
        <Training />
        {data.value?.plane ? <Decision /> : null}
        <Nudge />
        <HeatMap />
        <Rows />
      </div>
    </>
  );
}

export function App() {
  const missing = state.value !== null && (network.value === null || data.value === null);
  return (
    <>
      <Header />
      <Banner />
      <main>
        {missing ? <Open embedded /> : state.value ? <Work /> : <p class="waiting">Asking the server …</p>}
      </main>
      {openDialog.value && !missing ? <Open embedded={false} /> : null}
    </>
  );
}
