import { render } from "preact";
import { App } from "./App";
import { startAddress } from "./address";
import { startPlan } from "./drawing/plan";
import { startPlayback } from "./player/playback";
import { startStore } from "./store";
import { startTheme } from "./theme";
import { startPolling } from "./training";
import "./style.css";

startTheme();
startAddress();
startPlan();
startPlayback();
startStore();
startPolling();
render(<App />, document.getElementById("app")!);
