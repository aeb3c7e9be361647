/** Points of the plane: which is meant by a click, and which lies next in a direction. Pure. */

export type Point = readonly [x: number, y: number];

/** The nearest point no farther than `within`, or null. */
export function nearest(points: readonly Point[], [x, y]: Point, within: number): number | null {
  let best: number | null = null;
  let least = within * within;
  points.forEach(([px, py], i) => {
    const distance = (px - x) ** 2 + (py - y) ** 2;
    if (distance <= least) {
      least = distance;
      best = i;
    }
  });
  return best;
}

/** The next point in a direction (a unit vector): what lies aside counts three times as far. Null: there is none. */
export function towards(points: readonly Point[], from: number, [dx, dy]: Point): number | null {
  const origin = points[from];
  if (!origin) return points.length ? 0 : null;
  let best: number | null = null;
  let least = Infinity;
  points.forEach(([px, py], i) => {
    const ahead = (px - origin[0]) * dx + (py - origin[1]) * dy;
    if (i === from || ahead <= 0) return;
    const aside = Math.abs((px - origin[0]) * dy - (py - origin[1]) * dx);
    const cost = ahead + 3 * aside;
    if (aside <= 2 * ahead && cost < least) {
      least = cost;
      best = i;
    }
  });
  return best;
}
