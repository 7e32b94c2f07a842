/** A daemon's OVN mode as a process of its own, to be killed: `node writer-process.ts ENDPOINT`. Says its status. */
import { setTimeout as delay } from 'node:timers/promises'
import { deniedCluster } from './writer-cluster.ts'
import { Mode } from './writer-mode.ts'

const [endpoint = ''] = process.argv.slice(2)
await using mode = new Mode(endpoint)
mode.set(deniedCluster())
for (let told = ''; process.ppid !== 1; await delay(2)) {
  const { kind } = mode.enforcement.status
  if (kind !== told) process.stdout.write(`${kind}\n`)
  told = kind
}
