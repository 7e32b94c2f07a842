/**
 * Commands as nft's JSON. The shapes are nft's already; what changes is where nft's JSON has syntax within a
 * string: `@name` for a set, `eth*` for a wildcard.
 */
import type { Expression } from './expression-types.ts'
import type { Command, MapElement, Statement } from './types.ts'
import { isPair, type Leaf, mapPair, mapStatement, mapValue } from './walk.ts'

/** A command is one verb, over one kind of object, over its properties. */
export function encodeCommand(command: Command): object {
  const [verb, object] = Object.entries(command)[0] ?? ['', {}]
  const [kind, body] = Object.entries(object)[0] ?? ['', null]
  if (body === null) return command
  const { type: _, map: __, ...bare } = body as Body & { readonly type?: unknown; readonly map?: unknown }
  return { [verb]: { [kind]: encodeBody(kind === 'element' ? bare : (body as Body)) } }
}

type Body = { readonly expr?: readonly Statement[]; readonly elem?: readonly (Expression | MapElement)[] }

function encodeBody(body: Body): object {
  if (body.expr !== undefined) {
    return { ...body, expr: body.expr.map((statement) => mapStatement(statement, encodeLeaf)) }
  }
  return body.elem === undefined ? body : { ...body, elem: body.elem.map(encodeElement) }
}

function encodeElement(element: Expression | MapElement): Expression | MapElement {
  return isPair(element)
    ? mapPair(element, 'integer', 'integer', encodeLeaf)
    : mapValue(element, 'integer', encodeLeaf, false)
}

function encodeLeaf(leaf: Leaf): Expression {
  if (typeof leaf !== 'object') return leaf
  return 'ref' in leaf ? `@${leaf.ref}` : `${leaf.wildcard}*`
}
