import { describe, expect, test } from 'vitest'
import { matches } from '../../../src/compile/selector.ts'
import { Report } from '../../../src/watch/parse/report.ts'
import { parseSelector } from '../../../src/watch/parse/selector.ts'

const LABELS = new Map([
  ['app', 'web'],
  ['tier', ''],
])

/** selector, whether it matches app=web,tier= and whether it is valid */
const CASES: readonly (readonly [selector: unknown, matching: boolean, valid: boolean])[] = [
  [{}, true, true],
  [{ matchLabels: {} }, true, true],
  [{ matchLabels: null, matchExpressions: null }, true, true],
  [{ matchLabels: { app: 'web' } }, true, true],
  [{ matchLabels: { app: 'web', tier: 'x' } }, false, true],
  [{ matchLabels: { tier: '' } }, true, true],
  [{ matchLabels: { zone: '' } }, false, true],
  [{ matchExpressions: [{ key: 'app', operator: 'In', values: ['db', 'web'] }] }, true, true],
  [{ matchExpressions: [{ key: 'app', operator: 'In', values: ['db'] }] }, false, true],
  [{ matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['db'] }] }, true, true],
  [{ matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] }, false, true],
  [{ matchExpressions: [{ key: 'zone', operator: 'NotIn', values: ['web'] }] }, true, true],
  [{ matchExpressions: [{ key: 'tier', operator: 'Exists' }] }, true, true],
  [{ matchExpressions: [{ key: 'zone', operator: 'Exists' }] }, false, true],
  [{ matchExpressions: [{ key: 'zone', operator: 'DoesNotExist', values: [] }] }, true, true],
  [{ matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] }, false, true],
  [
    { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] },
    false,
    true,
  ],
  [{ matchExpressions: [{ key: 'app', operator: 'In', values: [] }] }, false, false],
  [{ matchExpressions: [{ key: 'zone', operator: 'NotIn' }] }, false, false],
  [{ matchExpressions: [{ key: 'app', operator: 'Exists', values: ['web'] }] }, false, false],
  [{ matchExpressions: [{ key: 'app', operator: 'exists' }] }, false, false],
  [{ matchExpressions: [{ operator: 'Exists' }] }, false, false],
  [{ matchExpressions: {} }, false, false],
  [{ matchExpressions: ['app'] }, false, false],
  [{ matchLabels: { app: 1 } }, false, false],
  [{ matchLabels: ['app'] }, false, false],
  [{ matchExpressions: [{ key: 'no label!', operator: 'DoesNotExist' }] }, false, false],
  [{ matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['no value!'] }] }, false, false],
  ['app=web', false, false],
  [[], false, false],
]

describe('on a pod with app=web and tier=', () => {
  for (const [selector, matching, valid] of CASES) {
    test(`${JSON.stringify(selector)} ${matching ? 'matches' : 'does not match'}${valid ? '' : ', and is an Issue'}`, () => {
      const report = new Report({ kind: 'Pod', name: 'x' })
      expect(matches(parseSelector(report, 'spec.podSelector', selector), LABELS)).toBe(matching)
      expect(report.issues.length).toBe(valid ? 0 : 1)
    })
  }

  test('a key such as constructor is a key like any other, and one such as __proto__ is no label', () => {
    const report = new Report({ kind: 'Pod', name: 'x' })
    const named = parseSelector(report, 'f', { matchLabels: { constructor: 'y' } })
    expect(matches(named, new Map())).toBe(false)
    expect(matches(named, new Map([['constructor', 'y']]))).toBe(true)
    expect(report.issues).toEqual([])
    const hostile = parseSelector(report, 'f', JSON.parse('{"matchLabels": {"__proto__": "x"}}'))
    expect(matches(hostile, new Map([['__proto__', 'x']]))).toBe(false)
    expect(report.issues.length).toBe(1)
  })
})
