/**
 * Multus as far as its order of work goes: a thin CNI plugin that the runtime runs hands its call over a socket to a
 * server, which attaches the cluster's network and the secondary ones by their own plugins, writes the pod's
 * network-status and waits for that to be taken, and only then answers. So all of it happens within RunPodSandbox.
 */
import { once } from 'node:events'
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import type { PodSpec } from './containerd.ts'
import { type Attachment, attach, attachmentOf, cni, cniPlugins, type NetworkName } from './networks.ts'
import type { Node } from './node.ts'

/** What the pod's network-status is made of. */
export interface Attached {
  readonly spec: PodSpec
  /** On the node. */
  readonly netns: string
  readonly sandboxId: string
  readonly attachments: readonly Attachment[]
}

/** Writes the pod's network-status, and resolves once whoever keeps the pod object has it. */
export type Annotate = (attached: Attached) => Promise<void>

export interface Multus extends AsyncDisposable {
  /** For containerd: where the thin plugin is, beside the others. */
  readonly pluginDirectory: string
  /** Which networks a pod of this UID is to have; told before its sandbox is made. */
  expect(spec: PodSpec): void
  /** @throws where no `ADD` came for that sandbox */
  attachmentsOf(sandboxId: string): readonly Attachment[]
}

interface Call {
  readonly command: string
  readonly sandboxId: string
  readonly netns: string
  /** `K8S_POD_UID=…;K8S_POD_NAME=…` */
  readonly args: string
}

export const multusType = 'multus-shim'

export async function startMultus(node: Node, annotate: Annotate): Promise<Multus> {
  await using started = new AsyncDisposableStack()
  const pluginDirectory = await mkdtemp(join(tmpdir(), 'mnpd-multus-'))
  started.defer(() => rm(pluginDirectory, { recursive: true }))
  const expected = new Map<string, PodSpec>()
  const attached = new Map<string, Attached>()

  async function add({ sandboxId, netns, args }: Call): Promise<string> {
    const spec = expected.get(uidIn(args))
    if (spec === undefined) throw new Error(`no pod was announced with ${args}`)
    const result = await cni(node, 'ADD', 'cluster', { sandboxId, netns, interface: 'eth0' })
    const attachments: Attachment[] = [attachmentOf(result, { sandboxId, netns, interface: 'eth0' })]
    for (const [index, plugin] of (spec.networks ?? []).entries()) {
      attachments.push(await attach(node, plugin, { sandboxId, netns, interface: `net${index + 1}` }))
    }
    const all = { spec, netns, sandboxId, attachments }
    attached.set(sandboxId, all)
    await annotate(all)
    return result
  }

  async function remove({ sandboxId, netns }: Call): Promise<string> {
    const networks: readonly NetworkName[] = ['cluster', ...(attached.get(sandboxId)?.spec.networks ?? [])]
    for (const [index, name] of networks.entries())
      await cni(node, 'DEL', name, {
        sandboxId,
        netns,
        interface: index === 0 ? 'eth0' : `net${index}`,
      })
    return ''
  }

  const server = createServer({ allowHalfOpen: true }, (socket) => {
    void answer(socket, (call) => (call.command === 'ADD' ? add(call) : remove(call)))
  })
  started.defer(() => void server.close())
  const path = join(pluginDirectory, 'socket')
  await once(server.listen(path), 'listening')
  await writeShim(pluginDirectory, path)
  const all = started.move()
  return {
    pluginDirectory,
    expect: (spec) => void expected.set(spec.uid, spec),
    attachmentsOf(sandboxId) {
      const found = attached.get(sandboxId)
      if (found === undefined) throw new Error(`sandbox ${sandboxId} was made without an ADD`)
      return found.attachments
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

/** What a CNI plugin prints when it fails is JSON too; the runtime puts `msg` into its own error. */
async function answer(socket: Socket, serve: (call: Call) => Promise<string>): Promise<void> {
  try {
    socket.end(JSON.stringify({ code: 0, print: await serve((await json(socket)) as Call) }))
  } catch (error) {
    socket.end(JSON.stringify({ code: 1, print: JSON.stringify({ code: 100, msg: String(error) }) }))
  }
}

/** The thin plugin is a process of this same Node. The runtime itself asks for `loopback`. */
async function writeShim(directory: string, socket: string): Promise<void> {
  const path = join(directory, multusType)
  const script = join(import.meta.dirname, 'multus-shim.ts')
  await writeFile(path, `#!/bin/sh\nexec ${process.execPath} ${script} ${socket}\n`)
  await chmod(path, 0o755)
  await symlink(join(cniPlugins, 'loopback'), join(directory, 'loopback'))
}

function uidIn(args: string): string {
  return /(?:^|;)K8S_POD_UID=([^;]*)/.exec(args)?.[1] ?? ''
}
