/**
 * Resident memory with 10,000 pods in the API: a real etcd and kube-apiserver, the daemon as a DaemonSet runs it, and a
 * full node, up to past the first look at all pods. What is held in place of those pods is most of what grows with the cluster.
 */
import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { FullNode } from '../test/kube/full-node.ts'
import type { Figure, Goal } from './figures.ts'
import { residentMemory } from './yardstick.ts'

/** `PODS=100000` for a cluster of the largest size; it takes six to ten minutes. */
const REMOTE_PODS = Number(process.env['PODS'] ?? 10_000)
/** One a second, past the first time that every pod is looked at again (`--sync-period`). */
const SAMPLES = 40
const PATIENCE_MS = 300_000

/** MiB, the peak of the first list included, for up to so many pods. */
const GOALS = [
  [10_000, 100],
  [100_000, 250],
] as const

export async function memory(): Promise<readonly Figure[]> {
  await using node = await FullNode.create(REMOTE_PODS)
  await using daemon = await node.startDaemon()
  await daemon.ready(PATIENCE_MS)
  const samples: number[] = []
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    samples.push(residentMemory(daemon.pid))
    await setTimeout(1_000)
  }
  const where = `with ${REMOTE_PODS.toLocaleString('en')} pods in the API, ${node.pods.length} of the node's own`
  const growth = { plot: 'Resident memory', x: REMOTE_PODS, of: 'pods in the API' }
  const most = GOALS.find(([pods]) => REMOTE_PODS <= pods)?.[1]
  const goal: Goal | undefined = most === undefined ? undefined : { kind: 'at most', p50: most }
  const children = readFileSync(`/proc/${daemon.pid}/task/${daemon.pid}/children`, 'utf8').trim().split(' ')
  const pids = children.filter(Boolean).map(Number)
  return [
    { name: `resident memory ${where}`, unit: 'MiB', samples, growth: { ...growth, line: 'resident' } },
    {
      ...{ name: `its peak, the first list included, ${where}`, unit: 'MiB' },
      ...{ samples: [peakMemory(daemon.pid)], growth: { ...growth, line: 'peak' }, ...(goal && { goal }) },
    },
    {
      name: 'what the process with libnftables has of its own',
      unit: 'MiB',
      samples: pids.map(anonymousMemory),
    },
    { name: 'its peak, files that both map included', unit: 'MiB', samples: pids.map(peakMemory) },
  ]
}

/** The most resident memory that a process ever had, MiB. */
function peakMemory(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

/** Less the files that are mapped, which both processes share, MiB. */
function anonymousMemory(pid: number): number {
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}
