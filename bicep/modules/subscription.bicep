metadata description = 'One subscription of a topic, with its rule.'

@description('Required. Namespace name.')
param namespaceName string
@description('Required. Topic name.')
param topicName string
@description('Required. The subscription, as bicep/service-bus-entities.json writes it, with exactly one rule.')
param subscription object

var settings = subscription.Properties
var rule = subscription.Rules[0].Properties

resource topic 'Microsoft.ServiceBus/namespaces/topics@2024-01-01' existing = {
  name: '${namespaceName}/${topicName}'
}

resource listener 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2024-01-01' = {
  parent: topic
  name: subscription.Name
  properties: {
    deadLetteringOnFilterEvaluationExceptions: true
    deadLetteringOnMessageExpiration: settings.DeadLetteringOnMessageExpiration
    defaultMessageTimeToLive: settings.DefaultMessageTimeToLive
    forwardDeadLetteredMessagesTo: empty(settings.ForwardDeadLetteredMessagesTo) ? null : settings.ForwardDeadLetteredMessagesTo
    forwardTo: empty(settings.ForwardTo) ? null : settings.ForwardTo
    lockDuration: settings.LockDuration
    maxDeliveryCount: settings.MaxDeliveryCount
    requiresSession: settings.RequiresSession
  }

  // Service Bus gives each new subscription a rule of this name that lets everything through. Ours takes its place:
  // under any other name, both would hold.
  resource only 'rules' = {
    name: '$Default'
    properties: rule.FilterType == 'Correlation'
      ? { filterType: 'CorrelationFilter', correlationFilter: { properties: rule.CorrelationFilter.Properties } }
      : { filterType: 'SqlFilter', sqlFilter: { sqlExpression: rule.SqlFilter.SqlExpression } }
  }
}
