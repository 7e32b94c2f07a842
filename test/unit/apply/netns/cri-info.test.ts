import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readInfo } from '../../../../src/apply/netns/cri-info.ts'

function read(text: string): ReturnType<typeof readInfo> {
  return readInfo(new Map([['info', text]]))
}

test('path and pid are read where containerd and CRI-O put them', () => {
  const runtimeSpec = { linux: { namespaces: [{ type: 'ipc' }, { type: 'network', path: '/run/netns/x' }] } }
  expect(read(JSON.stringify({ pid: 7, runtimeSpec }))).toEqual({ netnsPath: '/run/netns/x', pid: 7 })
})

test.each(['-1', '0', '1.5', '1e300', '"7"', 'null', '[7]'])('%s is no pid', (pid) => {
  expect(read(`{"pid":${pid}}`)).toEqual({ netnsPath: undefined, pid: undefined })
})

test('whatever the text holds, reading it does not throw and yields a path, a pid or nothing', () => {
  const shaped = fc.record(
    {
      pid: fc.jsonValue(),
      runtimeSpec: fc.oneof(fc.jsonValue(), fc.record({ linux: fc.record({ namespaces: fc.jsonValue() }) })),
    },
    { requiredKeys: [] },
  )
  const texts = fc.oneof(
    fc.string(),
    fc.json(),
    shaped.map((value) => JSON.stringify(value)),
  )
  fc.assert(
    fc.property(texts, (text) => {
      const { netnsPath, pid } = read(text)
      expect(netnsPath ?? '/').toMatch(/^\//)
      expect(pid ?? 1).toBeGreaterThan(0)
    }),
  )
})
