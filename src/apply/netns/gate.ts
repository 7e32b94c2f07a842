/**
 * The gate: a pod starts when its rules stand. Watching alone is a race against the runtime, which goes on as soon as
 * the interfaces are there. A CNI plugin (gate-plugin.ts) that the runtime runs last, before any process of the pod,
 * leaves a request in a directory of the node and waits for the answer.
 *
 *     3f0a….request   the namespace' path, and CNI_ARGS: IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=a;…
 *     3f0a….answer    a FIFO that the plugin reads: `enforced`
 *
 * A request is the runtime's own word on whose the namespace is, sooner than CRI tells it and, unlike network-status,
 * not for tenants to write: the directory is root's. It is answered once network-status tells of every link that the
 * kernel has there but the cluster network's, by MAC address (or by address, where it tells of none): a status that a pod
 * was created with, before multus wrote the true one, tells of other links. Whoever asked for a MAC address can forge that
 * too; so the pod is read once more, since what multus wrote is written by now, and what was compiled has to be just that.
 * And the pod is as the policies of the moment desire it.
 */
import { watch } from 'node:fs'
import { constants, mkdir, open, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { NamespacedName, Pod } from '../../compile/model.ts'
import type { HostView } from './cri-host.ts'
import { openNetns } from './open-netns.ts'
import { isRealMac, type Link, type LinkTable, listLinks } from './search-links.ts'

export interface GateOptions {
  /** Made where it is not there; as this process can open it. */
  readonly directory: string
  readonly view: HostView
  /** A pod of this node, governed or not, as last compiled. */
  readonly podOf: (name: NamespacedName) => Pod | undefined
  /** What is desired of the pod now stands, or nothing is desired. */
  readonly isAsDesired: (name: NamespacedName) => boolean
  /** The pod as its store has it at this moment; absent where there is nothing sooner than what was compiled. */
  readonly readPod?: ((name: NamespacedName) => Promise<Pod | undefined>) | undefined
  /** The runtime says that the namespace at that path is the pod's. The pod itself may not be known yet. */
  readonly announce: (name: NamespacedName, runtimeUid: string, path: string) => Promise<void>
  readonly signal: AbortSignal
}

interface Request {
  readonly name: NamespacedName
  readonly uid: string
  /** Those that are to be told of. */
  readonly links: LinkTable
}

/** How often it is looked without a word from anybody, ms. */
const IDLE_MS = 1_000

export class Gate {
  readonly #options: GateOptions
  readonly #requests = new Map<string, Request | 'unreadable'>()
  #wake: (() => void) | undefined
  #dirty = true

  constructor(options: GateOptions) {
    this.#options = options
  }

  /** Answers until the signal aborts. @throws where the directory can be neither made nor read */
  async run(): Promise<void> {
    const { directory, signal } = this.#options
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const watcher = watch(directory, { persistent: false, signal }, () => this.poke())
    watcher.on('error', () => undefined)
    while (!signal.aborted) {
      this.#dirty = false
      await this.#look()
      if (!this.#dirty) await this.#rest()
    }
  }

  /** Something was compiled or applied: an answer may be due. */
  poke(): void {
    this.#dirty = true
    this.#wake?.()
  }

  async #rest(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, IDLE_MS)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
      this.#options.signal.addEventListener('abort', this.#wake, { once: true })
    })
    if (this.#wake !== undefined) this.#options.signal.removeEventListener('abort', this.#wake)
    this.#wake = undefined
  }

  async #look(): Promise<void> {
    const names = (await readdir(this.#options.directory)).filter((name) => name.endsWith('.request'))
    const ids = new Set(names.map((name) => name.slice(0, -'.request'.length)))
    for (const id of this.#requests.keys()) if (!ids.has(id)) this.#requests.delete(id)
    await Promise.all([...ids].map((id) => this.#serve(id)))
  }

  async #serve(id: string): Promise<void> {
    // What could not be read now may be readable at the next look: the pod waits for it.
    if (this.#requests.get(id) === undefined || this.#requests.get(id) === 'unreadable')
      this.#requests.set(id, await this.#read(id))
    const request = this.#requests.get(id)
    if (request === undefined || request === 'unreadable' || !(await this.#isEnforced(request))) return
    const path = join(this.#options.directory, `${id}.answer`)
    // Without a reader, which may be about to open it, this fails, and the next look tries again.
    const answer = await open(path, constants.O_WRONLY | constants.O_NONBLOCK).catch(() => undefined)
    if (answer === undefined) return void setTimeout(() => this.poke(), 5)
    await answer.write('enforced\n').catch(() => undefined)
    await answer.close()
    await rm(join(this.#options.directory, `${id}.request`), { force: true })
  }

  async #read(id: string): Promise<Request | 'unreadable'> {
    const { directory, view, announce, signal } = this.#options
    const [path = '', args = ''] = (
      await readFile(join(directory, `${id}.request`), 'utf8').catch(() => '')
    ).split('\n')
    const [namespace, podName, uid] = ['NAMESPACE', 'NAME', 'UID'].map((key) =>
      argument(args, `K8S_POD_${key}`),
    )
    if (namespace === undefined || podName === undefined || uid === undefined) return 'unreadable'
    const resolved = await view.resolve(path)
    const located = await openNetns(resolved, view)
    if (located.kind !== 'found') return 'unreadable'
    await using netns = located.netns
    const name: NamespacedName = `${namespace}/${podName}`
    await announce(name, uid, resolved)
    const [table] = await listLinks([netns.path], signal)
    if (table === undefined) return 'unreadable'
    const links = [...table].filter(([link, { mac }]) => link !== 'eth0' && isRealMac(mac))
    return { name, uid, links: new Map(links) }
  }

  async #isEnforced({ name, uid, links }: Request): Promise<boolean> {
    if (links.size === 0) return true
    const { podOf, isAsDesired, readPod } = this.#options
    const holds = (pod: Pod | undefined): boolean =>
      pod !== undefined &&
      (pod.uid === uid || pod.runtimeUid === uid) &&
      [...links].every(([link, there]) => tellsOf(pod, link, there)) &&
      isAsDesired(name)
    if (!holds(podOf(name))) return false
    if (readPod === undefined) return true
    const now = await readPod(name)
    const compiled = podOf(name)
    return holds(compiled) && isDeepStrictEqual(toldBy(compiled), toldBy(now))
  }
}

function toldBy(pod: Pod | undefined): unknown {
  return pod && [pod.attachments, pod.defaultInterfaces]
}

/**
 * Whether network-status tells of just that link, and not only of one of that name. One of the cluster's network (a primary
 * network of the pod's own, beside eth0) is told of by name.
 */
function tellsOf({ attachments, defaultInterfaces }: Pod, name: string, { mac, addresses }: Link): boolean {
  const told = attachments.filter((each) => each.interface === name)
  const isTold = told.some((each) =>
    each.mac === undefined
      ? each.addresses.length > 0 && each.addresses.every((address) => addresses.has(address))
      : each.mac === mac,
  )
  return isTold || (told.length === 0 && defaultInterfaces.includes(name))
}

function argument(args: string, key: string): string | undefined {
  const pair = args.split(';').find((each) => each.startsWith(`${key}=`))
  return pair?.slice(key.length + 1)
}
