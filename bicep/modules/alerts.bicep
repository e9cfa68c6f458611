metadata description = 'What wakes somebody: thresholds on platform metrics, and the questions of bicep/queries.'

@description('Required. Region.')
param location string
@description('Required. Prefix of the names.')
param namePrefix string
@description('Required. Tags.')
param tags object
@description('Required. Who is told; empty for nobody.')
param emailAddresses string[]
@description('Required. Log Analytics workspace.')
param workspaceId string
@description('Required. Service Bus namespace.')
param serviceBusId string
@description('Required. Event Grid system topics of Landing.')
param systemTopicIds string[]
@description('Required. Cosmos DB account.')
param cosmosId string
@description('Required. Batch account.')
param batchId string

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: '${namePrefix}-people'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'landfall'
    enabled: true
    emailReceivers: [
      for (address, i) in emailAddresses: { name: 'person-${i}', emailAddress: address, useCommonAlertSchema: true }
    ]
  }
}

var metricAlerts = concat(
  [
    {
      name: 'dead-letters-pile-up'
      description: 'Dead letters are not drained, or a foreign subscriber has stopped listening. Runbook: docs/runbooks/alerts.md.'
      severity: 2
      target: serviceBusId
      namespace: 'Microsoft.ServiceBus/namespaces'
      metric: 'DeadletteredMessages'
      aggregation: 'Average'
      threshold: 0
      dimension: 'EntityName'
      values: ['*']
    }
    {
      name: 'failed-messages-wait'
      description: 'The collector of dead letters does not keep up.'
      severity: 2
      target: serviceBusId
      namespace: 'Microsoft.ServiceBus/namespaces'
      metric: 'ActiveMessages'
      aggregation: 'Average'
      threshold: 100
      dimension: 'EntityName'
      values: ['failed-messages']
    }
    {
      name: 'bus-throttles'
      description: 'Service Bus refuses requests: add messaging units.'
      severity: 2
      target: serviceBusId
      namespace: 'Microsoft.ServiceBus/namespaces'
      metric: 'ThrottledRequests'
      aggregation: 'Total'
      threshold: 0
      dimension: 'EntityName'
      values: ['*']
    }
    {
      name: 'metadata-store-throttles'
      description: 'Cosmos DB answers 429: raise the highest throughput, or look for a hot partition.'
      severity: 2
      target: cosmosId
      namespace: 'Microsoft.DocumentDB/databaseAccounts'
      metric: 'TotalRequests'
      aggregation: 'Count'
      threshold: 500
      dimension: 'StatusCode'
      values: ['429']
    }
    {
      name: 'nodes-unusable'
      description: 'Batch nodes cannot be used: an image that cannot be fetched, a mount that fails, a way out that is blocked.'
      severity: 1
      target: batchId
      namespace: 'Microsoft.Batch/batchAccounts'
      metric: 'UnusableNodeCount'
      aggregation: 'Total'
      threshold: 0
      dimension: ''
      values: []
    }
  ],
  flatten(map(range(0, length(systemTopicIds)), i => [
    {
      name: 'blob-events-dead-lettered-${i}'
      description: 'Blob events did not reach the queue landing. The sweep finds the files; find out why.'
      severity: 2
      target: systemTopicIds[i]
      namespace: 'Microsoft.EventGrid/systemTopics'
      metric: 'DeadLetteredCount'
      aggregation: 'Total'
      threshold: 0
      dimension: ''
      values: []
    }
    {
      name: 'blob-events-dropped-${i}'
      description: 'Blob events were lost for good. The sweep finds the files.'
      severity: 1
      target: systemTopicIds[i]
      namespace: 'Microsoft.EventGrid/systemTopics'
      metric: 'DroppedEventCount'
      aggregation: 'Total'
      threshold: 0
      dimension: ''
      values: []
    }
  ]))
)

var queryAlerts = [
  {
    name: 'stuck-measurements'
    description: 'A measurement has not moved for longer than any deadline. Runbook: docs/runbooks/stage-overdue.md.'
    query: loadTextContent('../queries/stuck-measurements.kql')
    every: 'PT1H'
    over: 'P2D'
    severity: 2
  }
  {
    name: 'slow-stages'
    description: 'A stage takes three times as long as in the two days before. Runbook: docs/runbooks/alerts.md.'
    query: loadTextContent('../queries/slow-stages.kql')
    every: 'PT1H'
    over: 'P2D'
    severity: 3
  }
  {
    name: 'queue-age'
    description: 'Messages lie in a queue for more than ten minutes before they are taken. Runbook: docs/runbooks/alerts.md.'
    query: loadTextContent('../queries/queue-age.kql')
    every: 'PT15M'
    over: 'PT1H'
    severity: 3
  }
]

resource onMetrics 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for alert in metricAlerts: {
    name: '${namePrefix}-${alert.name}'
    location: 'global'
    tags: tags
    properties: {
      description: alert.description
      severity: alert.severity
      enabled: true
      scopes: [alert.target]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      autoMitigate: true
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: 'over-threshold'
            metricNamespace: alert.namespace
            metricName: alert.metric
            operator: 'GreaterThan'
            threshold: alert.threshold
            timeAggregation: alert.aggregation
            dimensions: empty(alert.dimension)
              ? []
              : [{ name: alert.dimension, operator: 'Include', values: alert.values }]
          }
        ]
      }
      actions: [{ actionGroupId: people.id }]
    }
  }
]

resource onQueries 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in queryAlerts: {
    name: '${namePrefix}-${alert.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: alert.name
      description: alert.description
      severity: alert.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: alert.every
      windowSize: alert.over
      criteria: {
        allOf: [{ query: alert.query, timeAggregation: 'Count', operator: 'GreaterThan', threshold: 0 }]
      }
      actions: { actionGroups: [people.id] }
      // The table Application Insights fills appears with the first event: later than this rule, the first time.
      skipQueryValidation: true
    }
  }
]

@description('Resource id of the action group.')
output peopleId string = people.id
