/** The directory of one deployment: databases, sockets and logs. Its name says whose it is, so that what a killed run left can go. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const NAME = /^mnpd-ovn-(\d+)-/

/** Also removes what dead processes left; their programs have ended with them. */
export async function makeDirectory(): Promise<string> {
  for (const name of await readdir(tmpdir())) {
    const pid = NAME.exec(name)?.[1]
    if (pid !== undefined && !alive(Number(pid)))
      await rm(join(tmpdir(), name), { recursive: true, force: true })
  }
  return await mkdtemp(join(tmpdir(), `mnpd-ovn-${process.pid}-`))
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
