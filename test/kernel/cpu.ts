/** The CPU time of a process and of its children that have ended, from /proc/PID/stat (proc(5)). */
import { readFile } from 'node:fs/promises'
import { expect } from 'vitest'

/** USER_HZ, which is 100 wherever Linux runs today. */
const TICKS_PER_SECOND = 100

/** A daemon that is in trouble or idle uses less than that part of a core; a loop without a pause would use all of one. */
const MOST = 0.8

/**
 * Prints how much of a core the process used while the task ran, and holds it against what is bearable.
 * @param most of a core
 */
export async function expectNoHotLoop(
  what: string,
  pid: number,
  task: () => Promise<void>,
  most: number = MOST,
): Promise<void> {
  const [before, begin] = [await cpuSeconds(pid), performance.now()]
  await task()
  const seconds = (performance.now() - begin) / 1000
  const used = (await cpuSeconds(pid)) - before
  console.log(
    `${what}: ${used.toFixed(2)} s of CPU in ${seconds.toFixed(1)} s, ${((100 * used) / seconds).toFixed(1)} % of a core`,
  )
  expect(used / seconds, `${what}: part of a core`).toBeLessThan(most)
}

/** utime, stime, cutime and cstime are fields 14 to 17, counted with the name in parentheses, which may hold anything. */
async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND
}
