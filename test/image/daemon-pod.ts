/** The one pod of the DaemonSet on the test's node: started over CRI, asked, and stopped. */
import { randomUUID } from 'node:crypto'
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { CriClient } from '../../src/apply/netns/cri-client.ts'
import type { Method } from '../../src/apply/netns/cri-messages.ts'
import type { Node } from '../runtime/node.ts'
import {
  containerStatus,
  createContainer,
  runPodSandbox,
  startContainer,
  stopContainer,
} from './cri-container.ts'
import type { DaemonSet } from './daemonset.ts'
import { type PodContext, preparePod } from './kubelet.ts'

const EXITED = 2

export class DaemonPod implements AsyncDisposable {
  readonly containerId: string
  readonly #cri: CriClient
  readonly #node: Node
  readonly #log: string

  private constructor(cri: CriClient, node: Node, containerId: string, log: string) {
    this.#cri = cri
    this.#node = node
    this.containerId = containerId
    this.#log = log
  }

  static async start(cri: CriClient, daemonSet: DaemonSet, context: PodContext): Promise<DaemonPod> {
    const { sandbox, container, log } = await preparePod(daemonSet, context)
    const { podSandboxId } = await ask(cri, runPodSandbox, { config: sandbox })
    const { containerId } = await ask(cri, createContainer, {
      podSandboxId,
      config: container,
      sandboxConfig: sandbox,
    })
    await ask(cri, startContainer, { containerId })
    return new DaemonPod(cri, context.node, containerId, log)
  }

  /** The first process' number, as the test sees it. */
  async pid(): Promise<number> {
    const [directory] = await this.#cgroups('cgroup.procs')
    return Number((await readFile(join(directory ?? '', 'cgroup.procs'), 'utf8')).split('\n')[0])
  }

  /** The most memory that was charged to it at once, in bytes. */
  async memoryPeak(): Promise<number> {
    for (const file of ['memory.peak', 'memory.max_usage_in_bytes']) {
      const [directory] = await this.#cgroups(file)
      if (directory !== undefined) return Number(await readFile(join(directory, file), 'utf8'))
    }
    throw new Error('no control group of the container tells of memory')
  }

  /** Runs a command in the container, with all that confines the daemon. @throws ExecaError when it fails */
  async exec(command: string, ...args: readonly string[]): Promise<string> {
    const exec = ['--namespace', 'k8s.io', 'task', 'exec', '--exec-id', randomUUID(), this.containerId]
    return await this.#node.run('ctr', [...exec, command, ...args])
  }

  /** Its control groups that have a file: one in version 2, one for each controller in version 1. */
  async #cgroups(file: string): Promise<readonly string[]> {
    const { cgroupParent } = this.#node
    const found: string[] = []
    for (const controller of ['.', 'memory', 'systemd', 'unified']) {
      const directory = join('/sys/fs/cgroup', controller, cgroupParent, this.containerId)
      if (
        await access(join(directory, file)).then(
          () => true,
          () => false,
        )
      )
        found.push(directory)
    }
    return found
  }

  /** Everything it wrote, without what the runtime puts before each line. */
  async log(): Promise<string> {
    const text = await readFile(this.#node.root + this.#log, 'utf8').catch(() => '')
    return text.replaceAll(/^\S+ std(?:out|err) [FP] /gm, '')
  }

  /** The exit code; undefined while it runs. */
  async exitCode(): Promise<number | undefined> {
    const { status } = await ask(this.#cri, containerStatus, { containerId: this.containerId })
    return status?.state === EXITED ? status.exitCode : undefined
  }

  /** The HTTP status of a path at the manifest's port on the node's loopback, as kubelet's probe sees it. */
  async status(path: string): Promise<number | undefined> {
    const script = `exec 3<>/dev/tcp/127.0.0.1/9453 && printf 'GET ${path} HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3`
    const line = await this.#node.run('bash', ['-c', script]).catch(() => '')
    const status = /^HTTP\S+ ([0-9]+)/.exec(line)?.[1]
    return status === undefined ? undefined : Number(status)
  }

  /** @throws with its log, where it ends before the condition holds or takes longer. */
  async until(what: string, condition: () => Promise<boolean>, timeoutMs = 90_000): Promise<void> {
    const end = performance.now() + timeoutMs
    while (!(await condition())) {
      const code = await this.exitCode()
      const late = performance.now() > end
      if (code !== undefined || late) {
        const why = late ? `not within ${timeoutMs} ms` : `it ended with ${code}`
        throw new Error(`${what}: ${why}\n${(await this.log()).split('\n').slice(-20).join('\n')}`)
      }
      await setTimeout(100)
    }
  }

  async ready(): Promise<void> {
    await this.until('ready', async () => (await this.status('/readyz')) === 200)
  }

  async logged(pattern: RegExp): Promise<void> {
    await this.until(`logs ${pattern}`, async () => pattern.test(await this.log()))
  }

  /** As kubelet ends a pod. @returns the exit code. */
  async stop(): Promise<number | undefined> {
    await ask(this.#cri, stopContainer, { containerId: this.containerId, timeout: 10n })
    return await this.exitCode()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

const never = new AbortController().signal

async function ask<Q, A>(cri: CriClient, method: Method<Q, A>, question: Q): Promise<A> {
  const reply = await cri.call(method, question, never)
  if (reply.kind === 'answer') return reply.answer
  throw new Error(reply.kind === 'failed' ? reply.reason : `${method.path}: not found`)
}
