/**
 * Connections that stand when a policy comes: those that it does not allow stop, within the update and for good, and
 * those that it allows never break. All cases of one moment run side by side, a pod for each policy, several connections
 * for each case: which packet of a connection meets the rules first is chance.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DaemonProcess } from '../../daemon.ts'
import { MS, now } from '../../lab/clock.ts'
import { Lab } from '../../lab/lab.ts'
import type { Pod } from '../../lab/pod.ts'
import { entertain, openTransfer, type Transfer } from '../../lab/transfer.ts'
import { type KubeObject, Manifests, networkObject, podObject, policyObject } from '../../manifests.ts'
import { BACKENDS } from './backends.ts'
import {
  CONNECTIONS,
  type ConnectionCase,
  describeConnection,
  KNOWN,
  MOMENTS,
  type Moment,
  outcome,
  POLICIES,
  type PolicyCase,
} from './revocation-cases.ts'

/** Of each case. */
const REPEATS = 4
/** Longer than TCP waits before it repeats what was lost four times over. */
const WATCH_MS = 5000
/**
 * What may still come after an update: what was on its way, and what TCP sends anew where only its acknowledgements stay
 * out, since the direction of the data itself may be one that no policy governs.
 */
const LAST_MS = 1500
/** A connection that lives may be held up by a busy machine, and by no more. */
const LONGEST_PAUSE_MS = 2500

interface Observed {
  /** Of each connection: ms from the update to the last data that came within the time of watching. */
  readonly lastMs: readonly number[]
  /** Of each connection: the longest time without data, as it was looked at, in ms. */
  readonly pauseMs: readonly number[]
}

describe.each(BACKENDS)('connections that stand when a policy comes, %s', (backend) => {
  describe.each(MOMENTS)('%s', (moment) => {
    let seen: ReadonlyMap<string, Observed>
    let close = async (): Promise<void> => {}

    beforeAll(async () => {
      const stage = await Stage.create(backend, moment)
      close = async () => await stage[Symbol.asyncDispose]()
      seen = await stage.observe()
    }, 120_000)
    afterAll(async () => await close())

    for (const policy of POLICIES) {
      for (const connection of CONNECTIONS) {
        const expected = outcome(policy, moment, connection)
        if (expected === 'either') continue
        const name = key(policy, connection)
        const known = KNOWN.find(({ pattern }) => pattern.test(`${moment}: ${name} ${expected}`))
        test(`${name} ${expected}`, () => {
          const observed = seen.get(name)
          const [wrong, limit] =
            expected === 'stops' ? [observed?.lastMs, LAST_MS] : [observed?.pauseMs, LONGEST_PAUSE_MS]
          expect(wrong, 'it was watched').toHaveLength(REPEATS)
          const beyond = wrong?.filter((ms) => !(ms < limit)) ?? []
          if (known === undefined) expect(beyond).toEqual([])
          else if (beyond.length > 0) console.log(`${moment}: ${name} ${expected}: not so, ${known.reason}`)
        })
      }
    }
  })
})

function key(policy: PolicyCase, connection: ConnectionCase): string {
  return `${policy.name}: ${describeConnection(connection)}`
}

class Stage implements AsyncDisposable {
  readonly #lab: Lab
  readonly #manifests: Manifests
  readonly #peer: Pod
  readonly #pods: ReadonlyMap<PolicyCase, Pod>
  readonly #moment: Moment
  readonly #flags: readonly string[]
  #daemon: DaemonProcess | undefined

  private constructor(lab: Lab, manifests: Manifests, pods: readonly Pod[], moment: Moment, backend: string) {
    this.#lab = lab
    this.#manifests = manifests
    this.#peer = pods[0] as Pod
    this.#pods = new Map(POLICIES.map((policy, index) => [policy, pods[index + 1] as Pod]))
    this.#moment = moment
    const common = [`--manifests=${manifests.directory}`, '--hostname-override=n1', '--log-level=debug']
    this.#flags = backend === 'nftables' ? common : [...common, `--backend=${backend}`]
  }

  static async create(backend: string, moment: Moment): Promise<Stage> {
    const lab = await Lab.create('revoke')
    await lab.segment('red')
    const pods = await lab.addPods(
      ['peer', ...POLICIES.map((_, index) => `p${index}`)].map((name, index) => ({
        name,
        attachments: [
          {
            segment: 'red',
            interface: 'net1',
            addresses: [`10.1.0.${index + 1}/24`, `fd00:1::${index + 1}/64`],
          },
        ],
      })),
    )
    await Promise.all(pods.map(entertain))
    const manifests = await Manifests.create()
    const objects = pods.map((pod) =>
      podObject(pod, { namespace: 'x', labels: { app: pod.name }, networks: { red: 'x/red' } }),
    )
    await manifests.save('cluster', [networkObject('x', 'red'), ...objects])
    return new Stage(lab, manifests, pods, moment, backend)
  }

  /** Opens the connections, lets the policies come, and watches what still arrives. */
  async observe(): Promise<ReadonlyMap<string, Observed>> {
    const allowed = POLICIES.map((policy) =>
      this.#policy({ ...policy, Ingress: 'allowed', Egress: 'allowed' }),
    )
    if (this.#moment === 'tightened') await this.#manifests.save('policies', allowed)
    if (this.#moment !== 'first start') await this.#start()
    const transfers = await this.#open()
    await this.#comes()
    return await watch(transfers)
  }

  /** @returns when the policies are enforced. */
  async #comes(): Promise<void> {
    const policies = POLICIES.map((policy) => this.#policy(policy))
    const seen = this.#daemon?.log.length ?? 0
    await this.#manifests.save('policies', policies)
    if (this.#daemon === undefined) await this.#start()
    else await this.#daemon.settled(seen)
  }

  async #start(): Promise<void> {
    this.#daemon = await DaemonProcess.start(this.#flags)
    await this.#daemon.ready()
  }

  async #open(): Promise<ReadonlyMap<string, readonly Transfer[]>> {
    const opened = new Map<string, readonly Transfer[]>()
    for (const [policy, pod] of this.#pods) {
      for (const connection of CONNECTIONS) {
        const [from, to] = connection.opener === 'peer' ? [this.#peer, pod] : [pod, this.#peer]
        const open = async () => await openTransfer({ ...connection, from, to, segment: 'red' })
        opened.set(key(policy, connection), await Promise.all(Array.from({ length: REPEATS }, open)))
      }
    }
    return opened
  }

  #policy({ name, Ingress, Egress }: PolicyCase): KubeObject {
    const pod = this.#pods.get(POLICIES.find((policy) => policy.name === name) as PolicyCase) as Pod
    const peer = { podSelector: { matchLabels: { app: 'peer' } } }
    return policyObject('x', pod.name, 'red', {
      podSelector: { matchLabels: { app: pod.name } },
      policyTypes: [...(Ingress === 'open' ? [] : ['Ingress']), ...(Egress === 'open' ? [] : ['Egress'])],
      ...(Ingress === 'allowed' && { ingress: [{ from: [peer] }] }),
      ...(Egress === 'allowed' && { egress: [{ to: [peer] }] }),
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon?.[Symbol.asyncDispose]()
    await this.#manifests[Symbol.asyncDispose]()
    await this.#lab[Symbol.asyncDispose]()
  }
}

/** Looks at all of them again and again until the time is over. */
async function watch(
  transfers: ReadonlyMap<string, readonly Transfer[]>,
): Promise<ReadonlyMap<string, Observed>> {
  const begin = now()
  const seen = new Map(
    [...transfers].map(([name, list]) => [name, { lastMs: list.map(() => 0), pauseMs: list.map(() => 0) }]),
  )
  while (now() < begin + WATCH_MS * MS) {
    for (const [name, list] of transfers) {
      const observed = seen.get(name)
      const at = await Promise.all(list.map((transfer) => transfer.lastAt()))
      for (const [index, last] of at.entries()) {
        if (observed === undefined) continue
        observed.lastMs[index] = (last - begin) / MS
        observed.pauseMs[index] = Math.max(observed.pauseMs[index] ?? 0, (now() - last) / MS)
      }
    }
  }
  return seen
}
