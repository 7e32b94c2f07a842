/**
 * The seed of all made-up clusters: the same in each run, so that a red run is about the change at hand. `make soak` takes
 * others; a failure prints its seed, and SEED=n brings it back.
 */
export const seed: number = Number(process.env['SEED'] ?? 20261123)
