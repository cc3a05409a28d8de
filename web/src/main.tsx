import { h, render } from "preact";
import "./styles/main.css";

render(<main>Claviger</main>, document.getElementById("app")!);
