/** The same derivative path by path (E12), beside dynamic programming (E13). */

import type { Path, Paths } from "../api";
import { number } from "../numbers";
import { paths, target } from "../store";

function percent(share: number | null): string {
  return share === null ? "–" : `${number(share * 100, 3)} %`;
}

function Line({ path }: { path: Path }) {
  return (
    <tr>
      <td>{path.units.join(" → ")}</td>
      <td class="ledger-factors">
        {path.factors.map((factor, index) => (
          <span key={index} title={factor.name}>
            {index ? " · " : ""}
            {number(factor.value, 3)}
          </span>
        ))}
      </td>
      <td class="figure">{number(path.value)}</td>
      <td class="figure">{percent(path.share)}</td>
    </tr>
  );
}

function Sums({ found }: { found: Paths }) {
  const count = (value: number): string => value.toLocaleString("en");
  return (
    <dl class="ledger-sums">
      <dt>sum over {found.n_paths === 1 ? "the one path" : `all ${count(found.n_paths)} paths`}</dt>
      <dd>{found.total === null ? "too many to add up" : number(found.total, 6)}</dd>
      <dt>by dynamic programming (E6)</dt>
      <dd>{number(found.by_dynamic_programming, 6)}</dd>
      {found.cancellation === null ? null : (
        <>
          <dt>cancellation, 1 − |Σ| / Σ|·|</dt>
          <dd>{number(found.cancellation, 3)}</dd>
        </>
      )}
      <dt>multiplications for all of the layer</dt>
      <dd>
        {count(found.multiplications.paths)} by paths, {count(found.multiplications.dynamic_programming)} by E6
      </dd>
    </dl>
  );
}

export function Ledger() {
  const found = paths.value;
  if (!found || target.value.kind !== "W" || found.paths.length === 0) return null;
  return (
    <section class="ledger" aria-label="Path by path">
      <h3>Path by path</h3>
      <div class="ledger-wide" tabIndex={0} role="region" aria-label="Largest paths">
        <table>
          <thead>
            <tr>
              <th scope="col">units</th>
              <th scope="col">product</th>
              <th scope="col" class="figure">
                value
              </th>
              <th scope="col" class="figure">
                share
              </th>
            </tr>
          </thead>
          <tbody>
            {found.paths.map((path) => (
              <Line key={path.units.join("-")} path={path} />
            ))}
          </tbody>
        </table>
      </div>
      <Sums found={found} />
    </section>
  );
}
