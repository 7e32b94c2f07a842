/**
 * Keeps the heap near what it holds. V8 lets it double before it is collected: 30 MiB of garbage on a full node. So it grows by
 * small steps, and is collected at once and not bit by bit: while that waits for its turn during a long computation, the heap
 * grows without end. But what survives two collections of the young generation goes to the old one, and there V8 does not look
 * how much that has become: marking bit by bit would, and so does who allocates in the old generation itself, which hardly
 * anybody does. While 100,000 pods were listed and written the heap grew from 99 to 266 MB before it was collected. So that is
 * looked at from here.
 *
 * V8 is told a little after the start, and not by the command line: with flags of that kind it takes what Node.js has compiled
 * of its own modules for another V8's, and compiles it again, 22 ms of each start (measured).
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Within that time a list of pods as fast as it comes brings some 10 MB. */
const LOOK_MS = 200
/** The heap is collected once it is larger than what it held last, by that factor and so many bytes. */
const [GROWTH, STEP] = [1.3, 8_000_000]
/** A heap that is smaller by this factor than when it was last looked at was collected meanwhile. */
const COLLECTED = 0.9

/** Bytes. */
export interface Heap {
  readonly used: () => number
  readonly collect: () => void
}

export class HeapBound {
  readonly #heap: Heap
  /** After it was last collected. */
  #held: number
  #last: number

  constructor(heap: Heap) {
    this.#heap = heap
    this.#held = heap.used()
    this.#last = this.#held
  }

  /** Looks how far it has grown, and collects it if that is too far. */
  look(): void {
    this.#note(this.#heap.used())
    if (this.#last <= this.#held * GROWTH + STEP) return
    this.#heap.collect()
    this.#held = this.#heap.used()
    this.#last = this.#held
  }

  #note(used: number): void {
    if (used < this.#last * COLLECTED) this.#held = used
    this.#last = used
  }
}

/** From a moment after the start on; it does not keep the process alive. */
export function boundHeap(): void {
  let bound: HeapBound | undefined
  const look = (): void => {
    bound ??= new HeapBound({ used: () => getHeapStatistics().used_heap_size, collect: tellV8() })
    bound.look()
  }
  setInterval(look, LOOK_MS).unref()
}

/** @returns what collects all */
function tellV8(): () => void {
  setFlagsFromString('--heap-growing-percent=40')
  setFlagsFromString('--no-incremental-marking')
  // A context that is made while it is there keeps it.
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  return typeof collect === 'function' ? () => collect() : () => undefined
}
