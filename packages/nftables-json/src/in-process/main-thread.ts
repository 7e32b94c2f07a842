/**
 * The generation of a namespace's rulesets, read on the thread that asks: some 0.03 ms, and no worker's memory. The
 * thread is in the other namespace only between two calls of the C library, within which nothing else of it can run.
 */
import { netnsOfThread } from './enter-netns.ts'
import { readGeneration } from './generation.ts'
import { LateClose } from './late-close.ts'
import { loadLibc } from './libc.ts'

/**
 * @param netns the path of a network namespace
 * @returns a number that each commit there changes, whoever makes it; undefined where it cannot be told
 */
export type ReadGeneration = (netns: string) => number | undefined

/** Undefined where koffi or the C library cannot be loaded. What is returned throws if there is no way back, which must end the process. */
export async function openGenerations(): Promise<ReadGeneration | undefined> {
  try {
    const { default: koffi } = await import('koffi')
    const libc = loadLibc(koffi)
    const late = new LateClose(libc)
    const within = netnsOfThread(libc)
    return (netns) => {
      const result = within(netns, () => readGeneration(libc, late))
      return result.kind === 'generation' ? result.id : undefined
    }
  } catch {
    return undefined
  }
}
