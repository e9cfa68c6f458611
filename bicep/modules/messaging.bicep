metadata description = 'Service Bus: the queues, topics, subscriptions and rules that the code expects.'

@description('Required. Region.')
param location string
@description('Required. Namespace name, unique in all of Azure.')
param name string
@description('Required. Tags.')
param tags object
@description('Required. Messaging units.')
param capacity 1 | 2 | 4 | 8 | 16
@description('Required. A subnet with the Microsoft.ServiceBus service endpoint.')
param appsSubnetId string
@description('Required. Subnet of private endpoints.')
param endpointsSubnetId string
@description('Required. Private DNS zone of Service Bus.')
param dnsZoneId string
@description('Required. Log Analytics workspace.')
param workspaceId string

// Derived from the stage graph: `npm run generate` writes this file, and the local stack reads the same content.
var entities = loadJsonContent('../service-bus-entities.json').UserConfig.Namespaces[0]
// A queue must exist before another forwards its dead letters to it.
var sinks = filter(entities.Queues, queue => empty(queue.Properties.ForwardDeadLetteredMessagesTo))
var sources = filter(entities.Queues, queue => !empty(queue.Properties.ForwardDeadLetteredMessagesTo))
var subscriptions = flatten(map(
  entities.Topics,
  topic => map(topic.Subscriptions, subscription => { topic: topic.Name, subscription: subscription })
))

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: name
  location: location
  tags: tags
  // Premium is zone-redundant in every region that has zones.
  sku: { name: 'Premium', tier: 'Premium', capacity: capacity }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    premiumMessagingPartitions: 1
    // Event Grid delivers as a trusted service, which 'Disabled' would shut out. The rule set shuts out all others.
    publicNetworkAccess: 'Enabled'
  }

  resource network 'networkRuleSets' = {
    name: 'default'
    properties: {
      defaultAction: 'Deny'
      publicNetworkAccess: 'Enabled'
      trustedServiceAccessEnabled: true
      virtualNetworkRules: [{ subnet: { id: appsSubnetId }, ignoreMissingVnetServiceEndpoint: false }]
    }
  }
}

resource sinkQueues 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = [
  for queue in sinks: {
    parent: namespace
    name: queue.Name
    properties: {
      deadLetteringOnMessageExpiration: queue.Properties.DeadLetteringOnMessageExpiration
      defaultMessageTimeToLive: queue.Properties.DefaultMessageTimeToLive
      duplicateDetectionHistoryTimeWindow: queue.Properties.DuplicateDetectionHistoryTimeWindow
      lockDuration: queue.Properties.LockDuration
      maxDeliveryCount: queue.Properties.MaxDeliveryCount
      requiresDuplicateDetection: queue.Properties.RequiresDuplicateDetection
      requiresSession: queue.Properties.RequiresSession
    }
  }
]

resource sourceQueues 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = [
  for queue in sources: {
    parent: namespace
    name: queue.Name
    properties: {
      deadLetteringOnMessageExpiration: queue.Properties.DeadLetteringOnMessageExpiration
      defaultMessageTimeToLive: queue.Properties.DefaultMessageTimeToLive
      duplicateDetectionHistoryTimeWindow: queue.Properties.DuplicateDetectionHistoryTimeWindow
      forwardDeadLetteredMessagesTo: queue.Properties.ForwardDeadLetteredMessagesTo
      lockDuration: queue.Properties.LockDuration
      maxDeliveryCount: queue.Properties.MaxDeliveryCount
      requiresDuplicateDetection: queue.Properties.RequiresDuplicateDetection
      requiresSession: queue.Properties.RequiresSession
    }
    dependsOn: [sinkQueues]
  }
]

resource topics 'Microsoft.ServiceBus/namespaces/topics@2024-01-01' = [
  for topic in entities.Topics: {
    parent: namespace
    name: topic.Name
    properties: {
      defaultMessageTimeToLive: topic.Properties.DefaultMessageTimeToLive
      duplicateDetectionHistoryTimeWindow: topic.Properties.DuplicateDetectionHistoryTimeWindow
      requiresDuplicateDetection: topic.Properties.RequiresDuplicateDetection
      supportOrdering: true
    }
  }
]

module topicSubscriptions 'subscription.bicep' = [
  for entry in subscriptions: {
    name: 'subscription-${entry.topic}-${entry.subscription.Name}'
    params: { namespaceName: name, topicName: entry.topic, subscription: entry.subscription }
    dependsOn: [sourceQueues, topics]
  }
]

module endpoint 'private-endpoint.bicep' = {
  name: '${name}-endpoint'
  params: {
    location: location
    name: '${name}-endpoint'
    tags: tags
    subnetId: endpointsSubnetId
    targetId: namespace.id
    groupId: 'namespace'
    dnsZoneId: dnsZoneId
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: namespace
  name: 'to-workspace'
  properties: { workspaceId: workspaceId, logs: [{ category: 'OperationalLogs', enabled: true }] }
}

@description('Resource id of the namespace.')
output namespaceId string = namespace.id
