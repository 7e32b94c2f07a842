/** Whose a namespace is that several pods claim by their annotations. */
import { type FileHandle, open } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hostView } from '../../../../src/apply/netns/cri-host.ts'
import { annotationLocator, type NetnsLocator, noLocator } from '../../../../src/apply/netns/locate.ts'
import type { Located } from '../../../../src/apply/netns/open-netns.ts'
import type { Pod } from '../../../../src/compile/model.ts'
import { parse } from '../../../product.ts'
import { type SomeNetns, someNetns } from './some-netns.ts'

const { signal } = new AbortController()
let netns: SomeNetns
/** Holds the inode, as a mount does where a runtime made the namespace. */
let held: FileHandle

beforeEach(async () => {
  netns = await someNetns()
  held = await open(netns.path)
})
afterEach(async () => {
  await held.close()
  await netns[Symbol.asyncDispose]()
})

/** @param created the year, from which who is older follows */
function podOf(name: string, created: number, path: string | undefined = netns.path): Pod {
  const annotations = path === undefined ? {} : { 'multi-networkpolicyd/netns': path }
  const creationTimestamp = `${created}-01-01T00:00:00Z`
  const metadata = { namespace: 'x', name, uid: name, creationTimestamp, annotations }
  const pod = parse({ kind: 'Pod', apiVersion: 'v1', metadata, spec: { containers: [] } })
  if (pod?.kind !== 'Pod') throw new Error(name)
  return pod
}

interface Node {
  pods: readonly Pod[]
  /** The pod that the rules in the namespace name; undefined where there are none. */
  named: string | undefined
  readable: boolean
}

const locatorOf = (node: Node): NetnsLocator =>
  annotationLocator({
    view: hostView(''),
    localPods: () => node.pods,
    ownerOf: async (_, { name }) => {
      if (!node.readable) return 'unreadable'
      if (node.named === undefined) return 'none'
      return node.named === name ? 'this pod' : 'another pod'
    },
  })

async function ask(locator: NetnsLocator, pod: Pod): Promise<string> {
  const located: Located = await locator.locate(pod, signal)
  if (located.kind !== 'found') return `${located.kind}: ${located.reason.replace(netns.path, 'it')}`
  await located.netns[Symbol.asyncDispose]()
  return 'found'
}

/** What each pod is told, in the order of the node's pods. */
const askAll = async (locator: NetnsLocator, { pods }: Node): Promise<readonly string[]> => {
  const told: string[] = []
  for (const pod of pods) told.push(await ask(locator, pod))
  return told
}

describe('of an elder and a younger pod that claim one namespace', () => {
  const both = (but: Partial<Node> = {}): Node => ({
    pods: [podOf('elder', 2024), podOf('younger', 2025)],
    named: undefined,
    readable: true,
    ...but,
  })
  const ELDERS = ['found', 'absent: it is that of pod x/elder, which is older']

  test('the elder has it where no rules stand', async () => {
    const node = both()
    expect(await askAll(locatorOf(node), node)).toEqual(ELDERS)
  })

  test('the elder has it where a pod is named that does not claim it', async () => {
    const node = both({ named: 'honest' })
    expect(await askAll(locatorOf(node), node)).toEqual(ELDERS)
  })

  test('the younger has it where its rules stand', async () => {
    const node = both({ named: 'younger' })
    expect(await askAll(locatorOf(node), node)).toEqual([
      'absent: it is that of pod x/younger, whose rules stand there',
      'found',
    ])
  })

  test('neither has it where it cannot be read whose rules stand', async () => {
    const node = both({ readable: false })
    const reason = (other: string): string =>
      `unknown: it is claimed by x/${other} too, and it cannot be read whose rules stand there`
    expect(await askAll(locatorOf(node), node)).toEqual([reason('younger'), reason('elder')])
  })

  test('the younger keeps what it had before the elder’s annotation was edited', async () => {
    const node = both()
    const { pods } = node
    node.pods = pods.slice(1)
    const locator = locatorOf(node)
    expect(await askAll(locator, node)).toEqual(['found'])
    node.pods = pods
    expect(await askAll(locator, node)).toEqual([
      'absent: it is that of pod x/younger, which had it before',
      'found',
    ])
  })

  test('the elder keeps what it had, whatever root writes there in the younger’s name', async () => {
    const node = both()
    const locator = locatorOf(node)
    expect(await askAll(locator, node)).toEqual(ELDERS)
    node.named = 'younger'
    expect(await askAll(locator, node)).toEqual(ELDERS)
  })

  test('who had it loses it by an annotation that leads elsewhere, and is another pod once made anew', async () => {
    const node = both()
    const locator = locatorOf(node)
    await askAll(locator, node)
    const [, younger] = node.pods as [Pod, Pod]
    node.pods = [podOf('elder', 2024, '/run/netns/absent'), younger]
    expect(await ask(locator, younger)).toBe('found')
    node.pods = [podOf('elder', 2024), { ...younger, uid: 'anew' }]
    expect(await askAll(locator, node)).toEqual(ELDERS)
  })
})

test('where the annotation does not count no pod has one, and who wrote one is told', async () => {
  const none = { ...podOf('a', 2024), netns: undefined }
  expect(await ask(noLocator, none)).toBe('absent: no container runtime is known')
  expect(await ask(noLocator, podOf('a', 2024))).toBe(
    'absent: no container runtime is known; its annotation multi-networkpolicyd/netns counts only with --netns-annotation',
  )
})
