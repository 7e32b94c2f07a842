/** What a full node costs: its start, an edit of one policy and a new peer that touch all pods, and doing nothing. */

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { DaemonProcess } from '../test/daemon.ts'
import { allowing, LOCAL_PODS, manyPods, tenPolicies } from '../test/full-node.ts'
import { Lab } from '../test/lab/lab.ts'
import type { Pod } from '../test/lab/pod.ts'
import { type KubeObject, Manifests, networkObject, podObject } from '../test/manifests.ts'
import type { Figure, Goal, Yardstick } from './figures.ts'
import { Generations } from './generations.ts'
import { WRITERS, type Writer } from './latency.ts'
import { BareNft, residentMemory } from './yardstick.ts'

const STARTS = 5
const EDITS = 6
const SIZES = [10, 40, LOCAL_PODS] as const
const IDLE_MS = 60_000
/** After a look at all pods, at which each is listed once more, and one at which nothing is to be done. */
const SETTLE_MS = 65_000
const PATIENCE_MS = 120_000

const GOALS: Readonly<Record<'start' | 'edit' | 'join', number>> = { start: 0.1, edit: 0.06, join: 0.03 }
/** Of the writer that starts a process a pod. */
const SPAWNING = 1.3

export async function node(): Promise<readonly Figure[]> {
  const figures: Figure[] = []
  for (const writer of WRITERS) {
    const starts: number[] = []
    const memory: number[] = []
    const y: number[] = []
    for (let time = 0; time < STARTS; time += 1) {
      await using full = await Full.create()
      await full.fill(LOCAL_PODS)
      const before = full.generations.of(full.pods)
      const began = performance.now()
      await using daemon = await full.start(writer)
      await full.generations.changed(before)
      starts.push(performance.now() - began - nodeStart())
      await daemon.ready(PATIENCE_MS)
      memory.push(residentMemory(daemon.pid))
      await daemon.stop()
      y.push(...full.yardstick(5))
      if (time === STARTS - 1) figures.push(...(await full.changes(writer)))
    }
    const yardstick = { name: 'Y', samples: y, times: LOCAL_PODS }
    figures.push(
      {
        ...{
          name: `process start → ${LOCAL_PODS} pods × 10 policies enforced, writer ${writer}`,
          unit: 'ms',
        },
        ...{ samples: starts, yardstick, goal: goalOf('start', writer) },
      },
      { name: `resident memory by then, writer ${writer}`, unit: 'MiB', samples: memory },
    )
  }
  return figures
}

class Full implements AsyncDisposable {
  readonly pods: readonly Pod[]
  readonly generations: Generations
  readonly #lab: Lab
  readonly #manifests: Manifests

  private constructor(lab: Lab, manifests: Manifests, pods: readonly Pod[], generations: Generations) {
    this.#lab = lab
    this.#manifests = manifests
    this.pods = pods
    this.generations = generations
  }

  static async create(): Promise<Full> {
    const lab = await Lab.create('node')
    const pods = await manyPods(lab)
    return new Full(lab, await Manifests.create(), pods, await Generations.open(pods))
  }

  /** Has so many of the pods be of this node; the others are unknown. */
  async fill(count: number): Promise<void> {
    const pods = this.pods.slice(0, count).map((pod) => podObject(pod))
    await this.#manifests.save('cluster', [networkObject('default', 'red'), ...pods])
    await this.#save(tenPolicies())
    await this.#manifests.save('peers', peers(false))
  }

  async start(writer: Writer): Promise<DaemonProcess> {
    return await DaemonProcess.start([
      `--manifests=${this.#manifests.directory}`,
      '--hostname-override=bench',
      `--nft-writer=${writer}`,
    ])
  }

  /** ms each */
  yardstick(times: number): readonly number[] {
    const [pod] = this.pods
    if (pod === undefined) throw new Error('no pods')
    const bare = new BareNft(pod, this.#manifests.directory, `default/${pod.name}`)
    bare.take(times)
    return bare.samples
  }

  /** One policy edited, and one peer come or gone, for each size; the last daemon is then left to itself. */
  async changes(writer: Writer): Promise<readonly Figure[]> {
    const figures: Figure[] = []
    for (const size of SIZES) {
      await this.fill(size)
      await using daemon = await this.start(writer)
      await daemon.ready(PATIENCE_MS)
      const edits: number[] = []
      const joins: number[] = []
      for (let time = 0; time < EDITS; time += 1) {
        const open = time % 2 === 0
        edits.push(await this.#time(size, () => this.#save(edited(open))))
        joins.push(await this.#time(size, () => this.#manifests.save('peers', peers(open))))
      }
      const idle = size === LOCAL_PODS ? await idleShare(daemon.pid) : undefined
      await daemon.stop()
      const yardstick = { name: 'Y', samples: this.yardstick(10), times: size }
      figures.push(
        grown('edit', `one policy edited → ${size} pods enforced`, writer, edits, yardstick),
        grown(
          'join',
          `a peer joins a selector of ${size} pods → the last enforced`,
          writer,
          joins,
          yardstick,
        ),
      )
      if (idle !== undefined) figures.push(idleFigure(writer, idle))
    }
    return figures
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.generations[Symbol.dispose]()
    await this.#manifests[Symbol.asyncDispose]()
    await this.#lab[Symbol.asyncDispose]()
  }

  async #save(policies: readonly KubeObject[]): Promise<number> {
    return await this.#manifests.save('policies', policies)
  }

  async #time(size: number, save: () => Promise<number>): Promise<number> {
    const pods = this.pods.slice(0, size)
    const before = this.generations.of(pods)
    const saved = await save()
    await this.generations.changed(before)
    return (Number(process.hrtime.bigint()) - saved) / 1e6
  }
}

function edited(open: boolean): readonly KubeObject[] {
  return tenPolicies().map((each, index) => (index === 1 && open ? allowing(0, ['t0', 't1']) : each))
}

/** Pods of another node: one of the tier that an edit lets in, and one that joins the tier of the first policy, or not. */
function peers(there: boolean): readonly KubeObject[] {
  return [peer('edited', 't1', '10.1.9.8'), ...(there ? [peer('joins', 't0', '10.1.9.9')] : [])]
}

function peer(name: string, tier: string, address: string): KubeObject {
  const networks = [{ name: 'default/red', interface: 'net1', ips: [address] }]
  return {
    ...{ kind: 'Pod', apiVersion: 'v1' },
    metadata: {
      ...{ name, namespace: 'default', labels: { tier } },
      annotations: { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(networks) },
    },
    spec: { nodeName: 'elsewhere', containers: [{ name: 'main', image: 'none' }] },
  }
}

function goalOf(what: keyof typeof GOALS, writer: Writer): Goal {
  return { kind: 'at most', p50: writer === 'library' ? GOALS[what] : SPAWNING }
}

function grown(
  what: 'edit' | 'join',
  name: string,
  writer: Writer,
  samples: readonly number[],
  yardstick: Yardstick,
): Figure {
  const plot = what === 'edit' ? 'One policy edited' : 'A peer joins'
  return {
    ...{ name: `${name}, writer ${writer}`, unit: 'ms', samples, yardstick },
    ...(yardstick.times === LOCAL_PODS && { goal: goalOf(what, writer) }),
    growth: { plot, line: writer, x: yardstick.times, of: 'pods that it touches' },
  }
}

function idleFigure(writer: Writer, share: number): Figure {
  return {
    ...{ name: `CPU while idle, ${LOCAL_PODS} pods, drift checks on, writer ${writer}`, unit: '% of a core' },
    ...{ samples: [share], goal: { kind: 'at most', p50: 0.5 } },
  }
}

/** In percent of a core, with all that it starts. */
async function idleShare(pid: number): Promise<number> {
  await setTimeout(SETTLE_MS)
  const [before, began] = [cpuTicks(pid), performance.now()]
  await setTimeout(IDLE_MS)
  const TICKS_PER_SECOND = 100
  return ((cpuTicks(pid) - before) / TICKS_PER_SECOND / ((performance.now() - began) / 1000)) * 100
}

/** utime, stime, and those of children that have ended; of the process and of those it has now; see proc_pid_stat(5). */
function cpuTicks(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean)
  return [pid, ...children.map(Number)]
    .map((each) =>
      readFileSync(`/proc/${each}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' '),
    )
    .reduce((sum, fields) => sum + fields.slice(11, 15).reduce((ticks, field) => ticks + Number(field), 0), 0)
}

/** What a Node.js that does nothing takes, ms. */
function nodeStart(): number {
  const began = performance.now()
  spawnSync(process.execPath, ['-e', '0'])
  return performance.now() - began
}
