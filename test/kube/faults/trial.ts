/**
 * One daemon behind one proxy, and what every fault is measured by: that what was enforced stays as it is while the
 * fault lasts, how much the daemon asks and computes meanwhile, and how soon after it a change is enforced.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { expect } from 'vitest'
import type { DaemonProcess } from '../../daemon.ts'
import type { Pod } from '../../lab/pod.ts'
import { policyObject } from '../../manifests.ts'
import type { FaultProxy, Plural } from './fault-proxy.ts'
import type { Ground } from './ground.ts'

/** Long enough for an endless loop to show. */
const WINDOW_MS = 2_500

/** Five watches, each with waits that double from a quarter of a second on and are drawn at random: 16 to 20 were seen. */
const MOST_REQUESTS = 40

/** Parsing four small lists some times over, on a machine that has other work: a spinning daemon takes all of the window. */
const MOST_CPU_MS = 1_200

const HEALS_MS = 60_000

export interface Fault {
  readonly begin?: () => unknown
  /** What must have come to pass before the fault may end, such as that it was met. */
  readonly met?: () => boolean | Promise<boolean>
  readonly end?: () => unknown
  readonly mostRequests?: number
  /** Requests as they are counted; those that reached the proxy, unless told. */
  readonly requests?: () => number
}

export class Trial implements AsyncDisposable {
  readonly proxy: FaultProxy
  readonly daemon: DaemonProcess
  /** What the daemon was started with. */
  readonly flags: readonly string[]
  readonly pod: Pod
  readonly #ground: Ground
  readonly #timeFile: string
  #port = 2_000

  constructor(parts: {
    readonly ground: Ground
    readonly proxy: FaultProxy
    readonly daemon: DaemonProcess
    readonly flags: readonly string[]
    readonly pod: Pod
    readonly timeFile: string
  }) {
    this.flags = parts.flags
    this.pod = parts.pod
    this.#ground = parts.ground
    this.proxy = parts.proxy
    this.daemon = parts.daemon
    this.#timeFile = parts.timeFile
  }

  async until(what: string, condition: () => Promise<boolean>, timeoutMs: number = HEALS_MS): Promise<void> {
    await this.daemon.until(what, condition, timeoutMs)
  }

  /** What the policy allows at last. */
  get port(): number {
    return this.#port
  }

  /** Lets the policy allow another port than ever before, by which it is known again in the rules. @returns the port */
  async allow(): Promise<number> {
    const port = this.#port + 1
    const { name } = this.pod
    const spec = { podSelector: { matchLabels: { app: name } }, ingress: [{ ports: [{ port }] }] }
    await this.#ground.apply(policyObject('shop', name, 'red', spec))
    this.#port = port
    return port
  }

  /** What the pod's netns holds, with the rules' handles: rules that are written anew, even the same, differ. */
  async rules(): Promise<string> {
    return await this.pod.run(['nft', '-a', 'list', 'ruleset'])
  }

  /** Connections that the daemon has tried to open. */
  get dials(): number {
    return this.daemon.noise.filter((line) => line === 'time machine: dials').length
  }

  /**
   * Lets a fault last, with a change of the policy made in the midst of it that must not get through, nor anything else
   * change; ends it; and waits until that change is enforced.
   */
  async endure(name: string, fault: Fault): Promise<void> {
    const before = await this.rules()
    let port: number | undefined
    const cost = await this.#cost(fault, async () => {
      await fault.begin?.()
      port = await this.allow().catch(() => undefined)
      return async () => expect(await this.rules()).toBe(before)
    })
    await fault.end?.()
    const ended = performance.now()
    await this.enforces(port ?? (await this.allow()))
    row(name, cost, `healed in ${seconds(performance.now() - ended)}`)
    bounded(cost, fault)
  }

  /** Lets a fault last in which there still is a way: a change of the policy is enforced while it does. */
  async getRound(name: string, fault: Fault): Promise<void> {
    let got: number | undefined
    const cost = await this.#cost(
      { ...fault, met: async () => got !== undefined && met(fault) },
      async () => {
        await fault.begin?.()
        const began = performance.now()
        const port = await this.allow()
        return async () => {
          if (got === undefined && allows(await this.rules(), port)) got = performance.now() - began
        }
      },
    )
    await fault.end?.()
    row(name, cost, `got round in ${seconds(got ?? 0)}`)
    bounded(cost, fault)
    await this.enforces(await this.allow())
  }

  /** Waits until the pod's rules allow the port. */
  async enforces(port: number, timeoutMs: number = HEALS_MS): Promise<void> {
    let rules = ''
    const there = async (): Promise<boolean> => {
      rules = await this.rules()
      return allows(rules, port)
    }
    await this.until(`port ${port} is allowed`, there, timeoutMs).catch((error: Error) => {
      throw new Error(`${error.message}\nthe rules are:\n${rules}`)
    })
  }

  /** Waits until the kind is watched, by a request made since there were `from`. */
  async rewatched(from: number, plural: Plural): Promise<void> {
    const { proxy } = this
    const open = (): boolean => proxy.count(from, 'watch', plural) > 0 && proxy.watched.includes(plural)
    await this.until(`${plural} are watched again`, async () => open())
  }

  /** Lets time go by in the daemon, and nowhere else. */
  async moveTime({ monotonicMs = 0, wallMs = 0 }: { monotonicMs?: number; wallMs?: number }): Promise<void> {
    const moves = (): number => this.daemon.noise.filter((line) => line === 'time machine: moved').length
    const before = moves()
    await writeFile(this.#timeFile, JSON.stringify({ monotonicMs, wallMs }))
    process.kill(this.daemon.pid, 'SIGUSR2')
    await this.until('time has moved', async () => moves() > before, 10_000)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]()
    await this.proxy[Symbol.asyncDispose]()
  }

  /** @param begin returns what is to be looked at again and again while the fault lasts */
  async #cost(fault: Fault, begin: () => Promise<() => Promise<void>>): Promise<Cost> {
    const requests = fault.requests ?? (() => this.proxy.requests.length)
    const [asked, cpu, began] = [requests(), await this.#cpuMs(), performance.now()]
    const look = await begin()
    await this.until('the fault is met and has lasted', async () => {
      await look()
      return performance.now() - began > WINDOW_MS && (await met(fault))
    })
    expect(await this.daemon.status('/healthz')).toBe(200)
    return {
      lastedMs: performance.now() - began,
      requests: requests() - asked,
      cpuMs: (await this.#cpuMs()) - cpu,
    }
  }

  async #cpuMs(): Promise<number> {
    const stat = await readFile(`/proc/${this.daemon.pid}/stat`, 'utf8')
    // The name may hold blanks and ends with the last bracket; then come state and numbers, utime the twelfth of them.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10
  }
}

interface Cost {
  readonly lastedMs: number
  readonly requests: number
  readonly cpuMs: number
}

async function met({ met: condition }: Fault): Promise<boolean> {
  return condition === undefined || (await condition())
}

function allows(rules: string, port: number): boolean {
  return rules.includes(`dport ${port} `)
}

function bounded({ lastedMs, requests, cpuMs }: Cost, { mostRequests = MOST_REQUESTS }: Fault): void {
  expect(requests).toBeLessThanOrEqual(mostRequests)
  expect(cpuMs).toBeLessThanOrEqual(MOST_CPU_MS + lastedMs / 10)
}

function row(name: string, { lastedMs, requests, cpuMs }: Cost, outcome: string): void {
  console.log([name, seconds(lastedMs), `${requests} requests`, `${cpuMs} ms CPU`, outcome].join(' | '))
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
