/** A network namespace of its own, for tests that need a real one and no rights: a user namespace comes with it. */
import { once } from 'node:events'
import { execa } from 'execa'

export interface SomeNetns extends AsyncDisposable {
  /** Of the process that keeps the namespace alive. */
  readonly pid: number
  /** `/proc/<pid>/ns/net` */
  readonly path: string
}

export async function someNetns(): Promise<SomeNetns> {
  const keeper = execa('unshare', ['--map-root-user', '--net', 'sh', '-c', 'echo ready; exec cat'], {
    reject: false,
    buffer: false,
  })
  await Promise.race([
    once(keeper.stdout, 'data'),
    keeper.then(({ shortMessage }) => Promise.reject(shortMessage)),
  ])
  if (keeper.pid === undefined) throw new Error('unshare has no pid')
  return {
    pid: keeper.pid,
    path: `/proc/${keeper.pid}/ns/net`,
    async [Symbol.asyncDispose]() {
      keeper.stdin.end()
      await keeper
    },
  }
}
