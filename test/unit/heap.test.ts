/** When the heap is collected, by what it holds and how far it has grown. */
import { expect, test } from 'vitest'
import { HeapBound } from '../../src/heap.ts'

const MB = 1_000_000

/** The sizes that the heap has at each look, in MB, and what is left of it by each collection. */
function collections(holds: number, sizes: readonly number[]): readonly number[] {
  let used = (sizes[0] ?? 0) * MB
  const at: number[] = []
  const bound = new HeapBound({
    used: () => used,
    collect: () => {
      at.push(used / MB)
      used = holds * MB
    },
  })
  for (const size of sizes.slice(1)) {
    used = size * MB
    bound.look()
  }
  return at
}

test.each([
  ['a heap that grows little is left alone', 10, [10, 12, 15, 20, 20.9], []],
  ['a small one may grow by 8 MB more than by a third', 10, [10, 20, 21.1], [21.1]],
  ['a large one by a third and 8 MB', 100, [100, 130, 137, 139], [139]],
  ['once collected, it counts from what was left', 30, [10, 22, 46, 48, 46], [22, 48]],
  ['what V8 collects itself counts as well', 10, [40, 59, 20, 33, 35], [35]],
  ['what is freed piece by piece does not', 10, [40, 58, 55, 57], []],
])('%s', (_, holds, sizes, expected) => {
  expect(collections(holds, sizes)).toEqual(expected)
})
