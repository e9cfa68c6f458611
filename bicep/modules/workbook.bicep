metadata description = 'The workbook operators open first.'

@description('Required. Region.')
param location string
@description('Required. Tags.')
param tags object
@description('Required. Log Analytics workspace.')
param workspaceId string

var queries = {
  'stage-durations': loadTextContent('../queries/stage-durations.kql')
  'task-output': loadTextContent('../queries/task-output.kql')
  'failed-tasks': loadTextContent('../queries/failed-tasks.kql')
  'dead-letters': loadTextContent('../queries/dead-letters.kql')
  'stuck-measurements': loadTextContent('../queries/stuck-measurements.kql')
  'queue-age': loadTextContent('../queries/queue-age.kql')
  'service-calls': loadTextContent('../queries/service-calls.kql')
  'slowest-measurements': loadTextContent('../queries/slowest-measurements.kql')
  losses: loadTextContent('../queries/losses.kql')
  'cost-estimate': loadTextContent('../queries/cost-estimate.kql')
}
// The query files are put into the places that bear their names; string() of a string in an object quotes it for JSON.
var content = reduce(
  items(queries),
  loadTextContent('../workbook.json'),
  (text, query) => replace(text, '"{{${query.key}}}"', substring(string({ q: query.value }), 5, length(string({ q: query.value })) - 6))
)

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'landfall-workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Landfall'
    category: 'workbook'
    sourceId: workspaceId
    serializedData: content
  }
}
