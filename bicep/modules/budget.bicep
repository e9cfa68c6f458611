metadata description = 'A monthly budget of the resource group; somebody is told before it is used up.'

@description('Required. Name.')
param name string
@description('Required. Amount per month, in the currency of the subscription.')
@minValue(1)
param amount int
@description('Required. First day of the first month, as yyyy-MM-01. It may not change after the first deployment.')
param firstDay string
@description('Required. Who is told.')
param actionGroupId string

resource budget 'Microsoft.Consumption/budgets@2024-08-01' = {
  name: name
  properties: {
    category: 'Cost'
    amount: amount
    timeGrain: 'Monthly'
    timePeriod: { startDate: firstDay }
    notifications: {
      mostIsUsed: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 80
        thresholdType: 'Actual'
        contactEmails: []
        contactGroups: [actionGroupId]
      }
      willBeExceeded: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: []
        contactGroups: [actionGroupId]
      }
    }
  }
}
